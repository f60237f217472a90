"""The options that every recipe has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Options:
    """What a recipe's own ``Config`` extends; its docstring explains them all, for ``--help``.

    Args:
        data: Where the data are.
        seeds: How often everything is repeated, with other initial weights and noise.
        fusions: Names of the fusions to compare.
        epochs: Passes over the training data.
        batch_size: Samples a step.
        width: Of the encoders and the fusion.
        modality_dropout: Probability of hiding a modality of a sample in training.
        lr: Peak learning rate of the one-cycle schedule.
        weight_decay: Of matrices.
        workers: Processes side by side, one thread each; 0 runs all in this one.
        output: Where run folders go.
        resume: Folder of an interrupted run, to go on with under the same options.
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
        """Refuse values that cannot be; a recipe adds its own.

        Raises:
            ValueError: An option's value; the option is named.
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
