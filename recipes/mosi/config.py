"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sennit.recipes.command_line import Options


@dataclass
class Config(Options):
    """Sentiment of an utterance from its text, sound and picture (CMU-MOSI).

    Compares each modality alone, fusions of every stage and logistic regressions, and writes a table, a
    report and a checkpoint.

    Args:
        data: File mosi_utterance.npz, or the folder that holds it.
        dropouts: Candidates for the dropout inside the encoders; one is chosen on the validation data.
    """

    data: Path | None = Path("data")
    epochs: int = 15
    batch_size: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.1
    modality_dropout: float = 0.3
    output: Path = Path("runs/mosi")
    dropouts: list[float] = field(default_factory=lambda: [0.2, 0.5])

    def check(self) -> None:
        super().check()
        if not self.dropouts or not all(0 <= p < 1 for p in self.dropouts):
            raise ValueError(
                f"--dropouts should hold at least one, each from 0 to less than 1. Found {self.dropouts}."
            )
