"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sennit.recipes.command_line import Options

DEFAULT_FUSION = "central_net"


@dataclass
class Config(Options):
    """Activity recognition at home from sound and wrist movement (HTAD).

    Compares each modality alone, fusions of every stage and two references, on data of the same
    recordings and of a new one, and writes a table, a report and checkpoints.

    Args:
        data: CSV file; by default the one that the package multiviewstacking carries.
        epochs: Passes over the training fold; trainings that only serve to choose take half the steps.
        strengths: Candidates for the strength of the training noise (0 for none); one is chosen inside each
            training fold.
        dropout: Dropout inside the encoders.
    """

    seeds: int = 1
    fusions: list[str] = field(
        default_factory=lambda: [
            "early_concat",
            "central_net",
            "mmtm",
            "concat",
            "gated",
            "mean_probability",
            "multiplicative",
        ]
    )
    epochs: int = 36
    width: int = 96
    lr: float = 6e-3
    output: Path = Path("runs/htad")
    strengths: list[float] = field(default_factory=lambda: [0.0, 1.5])
    dropout: float = 0.3

    def check(self) -> None:
        super().check()
        if not self.strengths:
            raise ValueError("--strengths should hold at least one. Found [].")
