"""Options of the table recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sennit.recipes.command_line import Options


@dataclass
class Config:
    """Train a model on your own table of images, sound, texts, numbers, categories and series.

    Args:
        data: A .csv, a .parquet, a folder that holds one folder of files for each class, or shards
            ("shards/train-{000000..000003}.tar").
        schema: YAML file with the meaning of the columns; a folder for each class needs none.
        guess_schema: File to write a first schema to, for you to edit, instead of training.
        target: Column to learn, for --guess-schema.
        skip_bad_rows: Whether to leave out rows that cannot be used, and list them in bad_rows.csv.
        fusion: Name of the fusion, where there are several inputs.
        epochs: Passes over the training rows; the best one by the validation rows is kept.
        batch_size: Rows in each step.
        lr: Peak learning rate of the one-cycle schedule.
        weight_decay: Weight decay; applied to matrices only.
        width: Embedding size of the fusion.
        modality_dropout: Probability of hiding an input of a row in training.
        precision: "32-true", "bf16-mixed" or "16-mixed".
        seed: Random seed of the initial weights, the order and the augmentation.
        workers: Processes that read files.
        output: Folder of the run folders.
        resume: Folder of an interrupted run to resume, with its options.
    """

    data: str = ""
    schema: Path | None = None
    guess_schema: Path | None = None
    target: str | None = None
    skip_bad_rows: bool = False
    fusion: str = "gated"
    epochs: int = 20
    batch_size: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.01
    width: int = 128
    modality_dropout: float = 0.2
    precision: str = "32-true"
    seed: int = 0
    workers: int = 2
    output: Path = Path("runs/table")
    resume: Path | None = None

    def check(self) -> None:
        """Refuse values that cannot be used.

        Raises:
            ValueError: A value cannot be used; the message names the option.
        """
        if not self.data:
            raise ValueError(
                "--data should name a .csv, a .parquet, a folder with a folder for each class, or shards."
            )
        for name in ("epochs", "batch_size", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} should be 1 or more. Found {getattr(self, name)}.")


@dataclass
class Comparison(Options):
    """Compare fusions, and each input alone, on your own table.

    Args:
        data: A .csv, a .parquet, or a folder that holds one folder of files for each class.
        schema: YAML file with the meaning of the columns; a folder for each class needs none.
        skip_bad_rows: Whether to leave out rows that cannot be used.
    """

    fusions: list[str] = field(default_factory=lambda: ["concat", "gated", "mean_probability"])
    epochs: int = 20
    batch_size: int = 32
    width: int = 128
    lr: float = 2e-3
    output: Path = Path("runs/table")
    schema: Path | None = None
    skip_bad_rows: bool = False

    def check(self) -> None:
        super().check()
        if self.data is None:
            raise ValueError(
                "--data should name a .csv, a .parquet or a folder with a folder for each class."
            )
