"""The options that all recipes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Options:
    """Base of the ``Config`` of each recipe, whose docstring completes the help of these options.

    Args:
        data: File or folder of the data.
        seeds: Number of repetitions, each with other initial weights and noise.
        fusions: Names of the fusions to compare.
        epochs: Passes over the training data.
        batch_size: Samples per step.
        width: Width of the encoders and the fusion.
        modality_dropout: Probability of hiding a modality of a sample in training.
        lr: Peak learning rate of the one-cycle schedule.
        weight_decay: Weight decay; applied to matrices only.
        workers: Number of parallel processes of one thread each; 0 runs everything in this process.
        output: Folder for run folders.
        resume: Folder of an interrupted run, to resume under the same options.
    """

    data: Path | None = None
    seeds: int = 5
    fusions: list[str] = field(
        default_factory=lambda: [
            "early_concat",
            "central_net",
            "mmtm",
            "concat",
            "gated",
            "low_rank",
            "mean_probability",
            "multiplicative",
        ]
    )
    epochs: int = 10
    batch_size: int = 128
    width: int = 64
    modality_dropout: float = 0.2
    lr: float = 3e-3
    weight_decay: float = 0.01
    workers: int = 2
    output: Path = Path("runs")
    resume: Path | None = None

    def check(self) -> None:
        """Refuse values that cannot be used; a recipe adds checks of its own options.

        Raises:
            ValueError: A value cannot be used; the message names the option.
        """
        for name in ("seeds", "epochs", "batch_size", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} should be 1 or more. Found {getattr(self, name)}.")
        if not self.fusions:
            raise ValueError("--fusions should hold at least one. Found [].")
        if not 0 <= self.modality_dropout < 1:
            raise ValueError(
                f"--modality_dropout should be from 0 to less than 1. Found {self.modality_dropout}."
            )
