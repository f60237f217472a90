"""ILEA School: 15,362 pupils of 139 schools, their features and exam scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sennit.data import Batch, BatchDataset
from sennit.recipes.harness import cached_by_files, find_arrays, read_arrays

LICENCE = (
    "The data of the Inner London Education Authority are distributed under the GPL-2. Cite Goldstein, "
    "«Multilevel modelling of survey data», The Statistician 40, 1991."
)
FILE = "school.npz"
FEATURES = 28
EXAM = "exam"  # the task of all schools, where they are the outputs of one head
YEARS = slice(0, 3)  # features of the year, one of three
BANDS = slice(7, 10)  # features of the verbal reasoning band; all zero for the fourth
_TRAINING = 0.3  # share of each school's pupils
_CHOOSING = 0.25  # share of each school's training pupils


@dataclass(frozen=True)
class School:
    """All pupils.

    Attributes:
        x: Features ``[N, 28]`` of the year, the pupil and the school.
        score: Exam scores ``[N]``.
        school: Number of each pupil's school ``[N]``, from 0.
    """

    x: np.ndarray
    score: np.ndarray
    school: np.ndarray

    @property
    def names(self) -> list[str]:
        """Names of the tasks, one for each school, in the order of their numbers."""
        return [f"school {number + 1}" for number in range(int(self.school.max()) + 1)]


@cached_by_files(lambda path: [find_arrays(path, FILE)], size=2)
def load(path: Path | None) -> School:
    """Read all pupils.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is another one, or damaged.
    """
    path, arrays = read_arrays(path, FILE, ("X", "y", "task"))
    x, score, school = arrays["X"], arrays["y"], arrays["task"]
    if x.shape != (len(score), FEATURES) or score.ndim != 1 or school.shape != score.shape:
        raise ValueError(
            f"'{path}' should hold 'X' of shape [pupils, {FEATURES}], and 'y' and 'task' of shape [pupils]. "
            f"Found {x.shape}, {score.shape} and {school.shape}."
        )
    if not np.isfinite(x).all() or not np.isfinite(score).all() or score.std() == 0:
        raise ValueError(
            f"'X' and 'y' in '{path}' should be finite, and 'y' vary. Found NaN, infinity or one score."
        )
    if school.dtype.kind not in "iu" or school.min() < 0:
        raise ValueError(
            f"'task' in '{path}' should hold the number of each pupil's school, from 0. Found {school.dtype} "
            f"from {school.min()}."
        )
    counts = np.bincount(school)
    if counts.min() < 10:
        raise ValueError(
            f"each school in '{path}' should have 10 pupils or more, numbered from 0 in 'task'. Found "
            f"{counts.min()} in school {counts.argmin()}."
        )
    return School(x.astype(np.float32), score.astype(np.float32), school.astype(np.int64))


def split(data: School, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the training rows, 30 % of each school's pupils, and the test rows, the others."""
    train, test = part(data, np.arange(len(data.score)), _TRAINING, seed)
    return train, test


def inner_split(data: School, train: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the training rows into those to fit on and, a quarter of each school's, those to choose on."""
    chosen, rest = part(data, train, _CHOOSING, seed)
    return rest, chosen


def part(data: School, rows: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a random share of the rows of each school, at least one, and the rest."""
    random, parts = np.random.default_rng(seed), []
    for number in range(len(data.names)):
        of_school = rows[data.school[rows] == number]
        parts.append(random.permutation(of_school)[: max(1, round(share * len(of_school)))])
    taken = np.sort(np.concatenate(parts))
    return taken, np.setdiff1d(rows, taken)


def explained_variance(predicted: np.ndarray, score: np.ndarray) -> float:
    """Return ``1 − Σ (y − ŷ)² / Σ (y − ȳ)²`` over all pupils together."""
    error, spread = np.square(score - predicted).sum(), np.square(score - score.mean()).sum()
    return float(1 - error / spread)


def by_school(data: School, rows: np.ndarray, target: np.ndarray) -> dict[str, BatchDataset]:
    """Return a dataset for each task, with its pupils.

    Args:
        data: All pupils.
        rows: Rows of the pupils.
        target: Target of each pupil of ``data``.
    """
    by_task = {name: rows[data.school[rows] == number] for number, name in enumerate(data.names)}
    return {
        name: BatchDataset(
            Batch.of(
                {"pupil": torch.from_numpy(data.x[members])},
                targets={name: torch.from_numpy(target[members])[:, None]},
                index=torch.from_numpy(members),
            )
        )
        for name, members in by_task.items()
        if len(members)
    }


def pooled(data: School, rows: np.ndarray, target: np.ndarray) -> BatchDataset:
    """Return all pupils in one dataset, each labelled for the task of its school."""
    y = torch.from_numpy(target[rows])[:, None]
    school = torch.from_numpy(data.school[rows])
    return BatchDataset(
        Batch.of(
            {"pupil": torch.from_numpy(data.x[rows])},
            targets=dict.fromkeys(data.names, y),
            labelled={name: school == number for number, name in enumerate(data.names)},
            index=torch.from_numpy(rows),
        )
    )


def joint(data: School, rows: np.ndarray, target: np.ndarray) -> BatchDataset:
    """Return all pupils in one dataset with one task: a number for each school, labelled for the pupil's."""
    labelled = torch.zeros(len(rows), len(data.names), dtype=torch.bool)
    labelled[torch.arange(len(rows)), torch.from_numpy(data.school[rows])] = True
    return BatchDataset(
        Batch.of(
            {"pupil": torch.from_numpy(data.x[rows])},
            targets={EXAM: torch.from_numpy(target[rows])[:, None] * labelled},
            labelled={EXAM: labelled},
            index=torch.from_numpy(rows),
        )
    )
