"""Random chunks of recordings, for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from sennit.recipes.xvector.data.recordings import Recordings
from sennit.registry import check_names


class Chunks(Dataset[dict[str, Any]]):
    """Random chunks of recordings; a shorter recording is taken whole.

    Chunks that are drawn together, by ``__getitems__``, are equally long. The random numbers are torch's,
    which `ResumableLoader` seeds for each batch.

    Args:
        recordings: Recordings in files or in memory.
        seconds: Range from which the length is drawn.
        targets: Names of the labels that a sample carries if it has them: ``"speaker"``, ``"sex"``, …
        modality: Name of the recording among the inputs.

    Shape:
        A sample is ``{"inputs": {modality: [T]}, "targets": {...}, "index": row}``.

    Units:
        ``seconds`` in seconds.

    Raises:
        ValueError: The range is not in order or not above 0, or the corpus has no such label.
    """

    def __init__(
        self,
        recordings: Recordings,
        *,
        seconds: tuple[float, float],
        targets: Sequence[str] = ("speaker",),
        modality: str = "speech",
    ) -> None:
        if not 0 < seconds[0] <= seconds[1]:
            raise ValueError(f"`seconds` should be two numbers above 0, the smaller first. Found {seconds}.")
        check_targets(recordings, targets)
        self.recordings, self.seconds, self.modality = recordings, seconds, modality
        self.targets = tuple(targets)

    def __len__(self) -> int:
        return len(self.recordings.corpus)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        low, high = self.seconds
        length = low + (high - low) * float(torch.rand(()))
        places = torch.rand(len(rows), dtype=torch.float64).tolist()
        return [self._sample(row, length, place) for row, place in zip(rows, places, strict=True)]

    def _sample(self, row: int, seconds: float, place: float) -> dict[str, Any]:
        recordings = self.recordings
        total = int(recordings.frames[row])
        count = min(total, max(1, round(seconds * int(recordings.rates[row]))))
        start = int(place * (total - count + 1))
        return {
            "inputs": {self.modality: recordings.read(row, start, count)},
            "targets": recordings.corpus.targets(row, self.targets),
            "index": row,
        }


def check_targets(recordings: Recordings, targets: Sequence[str]) -> None:
    """Refuse a label that the corpus does not have."""
    check_names("label of the corpus", targets, {"speaker", *recordings.corpus.labels})
