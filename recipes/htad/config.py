"""Options of the recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_FUSION = "central_net"


@dataclass
class Config:
    """Activity recognition at home from sound and wrist movement (HTAD).

    Compares each modality alone, fusions of every stage and two references, on data of the same
    recordings and of a new one, and writes a table, a report and checkpoints.

    Args:
        data: The csv file; by default the one that the package multiviewstacking carries.
        seeds: How often everything is repeated, with other splits, initial weights and noise.
        fusions: Names of the fusions to compare.
        epochs: Passes over the training fold; the fits that only serve to choose take half the steps.
        strengths: Candidates for the strength of the training noise (0 for none); one is chosen
            inside each training fold.
        batch_size: Samples a step.
        width: Of the encoders and the fusion.
        dropout: Inside the encoders.
        modality_dropout: Probability of hiding a modality of a sample in training.
        lr: Peak learning rate of the one-cycle schedule.
        weight_decay: Of matrices.
        workers: Processes side by side, one thread each; 0 runs all in this one.
        output: Where run folders go.
        resume: Folder of an interrupted run, to go on with under the same options.
    """

    data: Path | None = None
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
    strengths: list[float] = field(default_factory=lambda: [0.0, 1.5])
    batch_size: int = 128
    width: int = 96
    dropout: float = 0.3
    modality_dropout: float = 0.2
    lr: float = 6e-3
    weight_decay: float = 0.01
    workers: int = 2
    output: Path = Path("runs/htad")
    resume: Path | None = None
