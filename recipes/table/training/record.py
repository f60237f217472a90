"""Record of a training: what was logged in each epoch, and which epoch was kept."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sennit.tasks import Fitted


@dataclass(frozen=True)
class Record:
    """Record of a training.

    Attributes:
        fitted: Result of the training.
        monitor: Value that the kept epoch is best by, such as ``val/price/r2``; None: the last is kept.
        curve: Values logged in each epoch, by name: ``train/loss``, ``val/price/r2``; errors of numbers are
            in standard deviations of the target.
        seconds: Time of the training.
        kept: Position in ``curve`` of the kept epoch; None where it is the last, or unknown.

    Example:
        >>> fitted = Fitted(best=0.9, steps=20, epochs=2, waiting=0.1, checkpoint=None)
        >>> record = Record(fitted, "val/y/r2", [{"val/y/r2": 0.9}, {"val/y/r2": 0.8}], kept=0)
        >>> record.curve[record.kept]
        {'val/y/r2': 0.9}
    """

    fitted: Fitted
    monitor: str | None = None
    curve: Sequence[Mapping[str, float]] = ()
    kept: int | None = None
    seconds: float = 0.0


def read_record(folder: Path, fitted: Fitted, monitor: str | None, *, seconds: float = 0.0) -> Record:
    """Return the record of a training from the log in its folder.

    Args:
        folder: Folder of the training, which holds ``metrics.csv``.
        fitted: Result of the training.
        monitor: Value by which the epoch is chosen.
        seconds: Time of the training.
    """
    epochs: dict[int, dict[str, float]] = {}
    path = folder / "metrics.csv"
    if path.is_file():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                values = epochs.setdefault(int(row["epoch"]), {})
                values |= {k: float(v) for k, v in row.items() if v and k not in ("epoch", "step")}
    curve = [epochs[epoch] for epoch in sorted(epochs)]
    scores = [values.get(monitor) for values in curve] if monitor is not None else []
    kept = None
    if fitted.best is not None and any(score is not None for score in scores):
        distances = [float("inf") if score is None else abs(score - fitted.best) for score in scores]
        kept = distances.index(min(distances))
    return Record(fitted, monitor, curve, kept, seconds)
