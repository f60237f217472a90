"""Home Tasks Activities: 1,386 windows of sound and wrist movement, in recording order."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, train_test_split
from torch import Tensor

from sennit.data import Batch
from sennit.files import open_text

LICENCE = (
    "HTAD is open for research and education; competitions and commercial use need the authors' prior "
    "written permission. Cite Garcia-Ceja et al. 2021, doi 10.1007/978-3-030-67835-7_17."
)
PROTOCOLS = {"same": "same recordings", "new": "new recording"}
MODALITIES = {"audio": "v1_", "accelerometer": "v2_"}
SIZES = {"audio": 36, "accelerometer": 16}
FRAMES = 3  # the audio columns are the 12 MFCCs of three sections of the window
MOTION = "v2_sdMagnitude"
_RECORDINGS = (466, 466, 454)


@dataclass(frozen=True)
class HTAD:
    """The whole dataset, in recording order.

    Attributes:
        batch: Inputs ``audio [1386, 36]`` (MFCCs) and ``accelerometer [1386, 16]`` (summaries of the
            three axes, in g), targets ``activity`` and ``motion`` (the standard deviation of the
            acceleration's magnitude, in g).
        activities: Names of the classes.
        recording: Number of the recording that each window is from, of three.
    """

    batch: Batch
    activities: list[str]
    recording: np.ndarray


def find_csv() -> Path:
    """Return the path of the CSV that the package multiviewstacking carries; the package is not imported.

    Raises:
        FileNotFoundError: The package is not installed.
    """
    spec = find_spec("multiviewstacking")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            "the HTAD csv comes with the package multiviewstacking, which is not installed. "
            "Try `pip install 'sennit[recipes]'`, or give the file with `--data htad.csv`."
        )
    return Path(spec.origin).parent / "data" / "htad.csv"


def load(path: Path | None = None) -> HTAD:
    """Read the CSV.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not HTAD's: a column or rows are missing, or a cell is not a number.
    """
    path = path or find_csv()
    if not path.is_file():
        raise FileNotFoundError(f"no file '{path}'. Give HTAD's csv with `--data`, or leave it out.")
    with open_text(path) as file:
        rows = list(csv.DictReader(file))
    header = list(rows[0]) if rows else []
    columns = {m: [c for c in header if c.startswith(start)] for m, start in MODALITIES.items()}
    sizes = {m: len(names) for m, names in columns.items()}
    if sizes != SIZES or "class" not in header or len(rows) != sum(_RECORDINGS):
        raise ValueError(
            f"'{path}' should be HTAD's csv: {sum(_RECORDINGS)} rows, a column 'class', 36 columns v1_* "
            f"and 16 columns v2_*. Found {len(rows)} rows and {sizes}."
        )
    activities = sorted({row["class"] for row in rows})
    inputs = {m: _numbers(path, rows, names) for m, names in columns.items()}
    batch = Batch.of(
        inputs,
        targets={
            "activity": torch.tensor([activities.index(row["class"]) for row in rows]),
            "motion": _numbers(path, rows, [MOTION]),
        },
        index=torch.arange(len(rows)),
    )
    return HTAD(batch, activities, np.repeat(np.arange(len(_RECORDINGS)), _RECORDINGS))


def _numbers(path: Path, rows: list[dict[str, str]], names: list[str]) -> Tensor:
    values = torch.empty(len(rows), len(names))
    for i, row in enumerate(rows):
        for j, name in enumerate(names):
            try:
                value = float(row[name])
            except (TypeError, ValueError):
                value = math.nan
            if not math.isfinite(value):
                raise ValueError(
                    f"'{path}', row {i + 2}, column '{name}' should be a number. Found '{row[name]}'."
                )
            values[i, j] = value
    return values


def folds(data: HTAD, protocol: str, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return training and test rows of each fold: five stratified folds, or each recording held out."""
    labels = data.batch.targets["activity"].numpy()
    if protocol == "same":
        splitter = StratifiedKFold(5, shuffle=True, random_state=seed)
        return list(splitter.split(labels, labels))
    return list(LeaveOneGroupOut().split(labels, labels, data.recording))


def inner_splits(
    data: HTAD, protocol: str, train: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield splits of training rows, made like the outer ones, for choosing inside the fold."""
    labels, recording = data.batch.targets["activity"].numpy()[train], data.recording[train]
    if protocol == "same":
        fit, check = train_test_split(train, test_size=0.2, stratify=labels, random_state=seed)
        yield fit, check
        return
    for fit, check in LeaveOneGroupOut().split(labels, labels, recording):
        yield train[fit], train[check]
