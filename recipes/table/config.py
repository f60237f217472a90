"""Options of the table recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sennit.recipes.command_line import Options
from sennit.recipes.table.budget import seconds_of
from sennit.recipes.table.presets import PRESETS
from sennit.registry import check_names

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
_COUNT = (lambda value: value >= 1, "1 or more")
_POSITIVE = (lambda value: 0 < value < math.inf, "more than 0")
_NOT_NEGATIVE = (lambda value: 0 <= value < math.inf, "0 or more")
_VALUES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("epochs", "steps", "patience", "batch_size", "nets", "folds", "width"), _COUNT),
    "lr": _POSITIVE,
    **dict.fromkeys(("weight_decay", "workers"), _NOT_NEGATIVE),
    "modality_dropout": (lambda value: 0 <= value < 1, "from 0 to less than 1"),
    "seed": (lambda value: 0 <= value < 2**32, "from 0 to 4294967295"),
}
"""What the numbers of `Config` should be."""


@dataclass
class Config:
    """Train a model on your own table of images, sound, texts, molecules, numbers, dates and series.

    Args:
        data: A .csv, .tsv, .parquet, .jsonl, .json or .xlsx, a folder that holds one folder of files for each
            class, or shards ("shards/train-{000000..000003}.tar").
        target: Column to learn, or several between commas; where the schema is guessed.
        schema: YAML file with the meaning of the columns, as `guess` writes it; guessed by default.
        preset: "fast" (seconds, for a look), "medium" or "best" (slow): defaults of the options below.
        time_limit: Time for the whole command, such as 90s, 10m or 1h; no limit by default.
        id: Column that names each row, in the answers; guessed by default.
        skip_bad_rows: Whether to leave out rows that cannot be used, and list them in bad_rows.csv.
        fusion: Name of the fusion, where there are several inputs.
        epochs: Passes over the training rows; by default 20, or as many as make up ``steps``, so that a small
            table is learned too. The best one by the validation rows is kept.
        steps: Least number of steps, where the epochs are not given.
        patience: Passes without a better validation score after which to stop; no limit by default.
        batch_size: Rows in each step; by default 16 to 256, by the number of rows.
        nets: Nets of other initial weights, whose answers are joined.
        folds: Folds of the training and validation rows, 3 or more: each chooses the epochs and weights of
            members that are trained on the others, and all members answer. Where the validation rows are
            declared, or later in time, as many nets of other initial weights.
        separate: Whether each of several targets has a net of its own, beside the one for all.
        alone: Whether each of several inputs has a net of its own, beside those for all.
        shallow: Whether boosted trees on numbers and categories, and kernel machines on all inputs of a small
            table, answer too.
        augment: Whether pictures are shifted, turned and scaled a little while training, unless the schema
            names other augmentations.
        lr: Peak learning rate of the one-cycle schedule.
        weight_decay: Weight decay; applied to matrices only.
        width: Embedding size of the fusion.
        modality_dropout: Probability of hiding an input of a row in training.
        precision: "32-true", "bf16-mixed" or "16-mixed".
        seed: Random seed of the initial weights, the order and the augmentation.
        workers: Processes that read files.
        loggers: Loggers beside metrics.csv: "tensorboard", "wandb" or "mlflow".
        output: Folder of the run folders.
        resume: Folder of an interrupted run to resume, with its options.
    """

    data: str = ""
    target: str = ""
    schema: Path | None = None
    preset: str = "medium"
    time_limit: str | None = None
    id: str | None = None
    skip_bad_rows: bool = False
    fusion: str = "concat"
    epochs: int | None = None
    steps: int = 1000
    patience: int | None = None
    batch_size: int | None = None
    nets: int = 1
    folds: int = 1
    separate: bool = True
    alone: bool = True
    shallow: bool = True
    augment: bool = True
    lr: float = 2e-3
    weight_decay: float = 0.01
    width: int = 128
    modality_dropout: float = 0.2
    precision: str = "32-true"
    seed: int = 0
    workers: int = 2
    loggers: list[str] = field(default_factory=list)
    output: Path = Path("runs/table")
    resume: Path | None = None

    def check(self) -> None:
        """Refuse values that cannot be used.

        Raises:
            ValueError: A value cannot be used; the message names the option.
        """
        if self.resume is not None and not (self.resume / "config.yaml").is_file():
            raise ValueError(f"no run to resume in '{self.resume}': it should hold config.yaml.")
        if not self.data:
            raise ValueError(
                "`fit` should be given a .csv, a .parquet, a folder with a folder for each class, or shards: "
                "`sennit table fit train.csv --target COLUMN`."
            )
        if self.schema is not None and self.target:
            raise ValueError("--schema declares the targets already. Give it without --target, or edit it.")
        if self.data.endswith(".tar") and (self.target or self.id):
            raise ValueError(
                "--target and --id are for a table. Shards have a schema.yaml beside them: edit it."
            )
        check_names("preset", [self.preset], PRESETS)
        if self.time_limit is not None:
            seconds_of(self.time_limit)
        self.check_values()

    def check_values(self, form: str = "--{}") -> None:
        """Refuse numbers and names that no training can use.

        Args:
            form: Spelling of an option in the message.

        Raises:
            ValueError: A value cannot be used; the message names the option.
        """
        for name, (holds, expected) in _VALUES.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise ValueError(f"{form.format(name)} should be {expected}. Found {value}.")
        check_names("value of " + form.format("precision"), [self.precision], PRECISIONS)


def config_of(preset: str, **options: Any) -> Config:
    """Return the options of a preset.

    Args:
        preset: Name of the preset.
        **options: Options that stand above the preset's; those that are None do not.

    Raises:
        ValueError: There is no such preset; close ones are named.

    Example:
        >>> config_of("fast", epochs=7, width=None).epochs
        7
    """
    check_names("preset", [preset], PRESETS)
    given = {name: value for name, value in options.items() if value is not None}
    return Config(**{"preset": preset, **PRESETS[preset], **given})


@dataclass
class Guessing:
    """Write a first schema of a table, with the reason for each column's place in it, for you to edit.

    Args:
        data: A .csv, .tsv, .parquet, .jsonl, .json or .xlsx, or a folder that holds one folder of files for
            each class.
        target: Column to learn, or several between commas.
        out: File to write; an existing one is not overwritten.
    """

    data: str = ""
    target: str = ""
    out: Path = Path("schema.yaml")

    def check(self) -> None:
        """Refuse options without data.

        Raises:
            ValueError: There are none.
        """
        if not self.data:
            raise ValueError(
                "`guess` should be given a .csv, a .parquet or a folder: "
                "`sennit table guess train.csv --target COLUMN`."
            )


@dataclass
class Prediction:
    """Write the answers of a trained model for the rows of a table.

    Args:
        data: Table of new rows, with the columns of the inputs in any order; further columns are ignored.
        model: Folder of the model, or of its run.
        out: CSV file to write.
        id: Column that names each row, in the answers; the model's by default.
        batch_size: Rows that are predicted together.
        skip_bad_rows: Whether to leave out rows that cannot be used, and say how many.
    """

    data: str = ""
    model: Path = Path("runs/table/latest")
    out: Path = Path("answers.csv")
    id: str | None = None
    batch_size: int = 32
    skip_bad_rows: bool = False

    def check(self) -> None:
        """Refuse options without data.

        Raises:
            ValueError: There are none.
        """
        if not self.data:
            raise ValueError(
                "`predict` should be given a .csv or a .parquet of new rows: "
                "`sennit table predict --model runs/table/latest new.csv`."
            )
        if self.out.is_dir() or (self.out.exists() and self.out.samefile(self.data)):
            holds = "a folder" if self.out.is_dir() else "the table itself"
            raise ValueError(f"--out should name a file for the answers. Found {holds}: '{self.out}'.")
        if self.batch_size < 1:
            raise ValueError(f"--batch_size should be 1 or more. Found {self.batch_size}.")


@dataclass
class Comparison(Options):
    """Compare fusions, and each input alone, on your own table.

    Args:
        data: A .csv, .tsv, .parquet, .jsonl, .json or .xlsx, or a folder that holds one folder of files for
            each class.
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
