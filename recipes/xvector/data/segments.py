"""Fixed parts of recordings, for enrolment, tests and the choice of thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from sennit.recipes.xvector.data.chunks import check_targets
from sennit.recipes.xvector.data.corpus import Numbers
from sennit.recipes.xvector.data.recordings import Recordings


class Segments(Dataset[dict[str, Any]]):
    """Fixed parts of recordings, in the order of the rows; made by `whole` or `crops`.

    Attributes:
        rows: Row of each segment's recording.
        starts: First sample of each segment, at the recording's rate.
        counts: Number of samples of each segment.

    Shape:
        As in `Chunks`; ``index`` is the segment's number.
    """

    def __init__(
        self,
        recordings: Recordings,
        rows: Numbers,
        starts: Numbers,
        counts: Numbers,
        *,
        targets: Sequence[str],
        modality: str,
    ) -> None:
        check_targets(recordings, targets)
        self.recordings, self.modality, self.targets = recordings, modality, tuple(targets)
        self.rows, self.starts, self.counts = rows, starts, counts

    @classmethod
    def whole(
        cls, recordings: Recordings, *, targets: Sequence[str] = ("speaker",), modality: str = "speech"
    ) -> Segments:
        """Return every recording from beginning to end."""
        rows = np.arange(len(recordings.corpus))
        return cls(
            recordings, rows, np.zeros_like(rows), recordings.frames, targets=targets, modality=modality
        )

    @classmethod
    def crops(
        cls,
        recordings: Recordings,
        seconds: float,
        *,
        count: int,
        targets: Sequence[str] = ("speaker",),
        modality: str = "speech",
    ) -> Segments:
        """Return ``count`` parts of each recording, evenly spread; a single one is its middle.

        A recording shorter than ``seconds`` is taken whole, once.

        Raises:
            ValueError: ``seconds`` is not above 0, or ``count`` is below 1.
        """
        if not seconds > 0 or count < 1:
            raise ValueError(
                f"`seconds` should be above 0, and `count` 1 or more. Found {seconds} and {count}."
            )
        total = recordings.frames
        wanted = np.minimum(total, np.maximum(1, np.rint(seconds * recordings.rates).astype(np.int64)))
        place = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
        starts = np.rint((total - wanted)[:, None] * place).astype(np.int64)
        kept = np.ones_like(starts, dtype=bool)
        kept[total == wanted, 1:] = False
        rows = np.broadcast_to(np.arange(len(total))[:, None], starts.shape)[kept]
        return cls(recordings, rows, starts[kept], wanted[rows], targets=targets, modality=modality)

    @property
    def speaker(self) -> Numbers:
        """Number of each segment's speaker."""
        return self.recordings.corpus.speaker[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = int(self.rows[index])
        wave = self.recordings.read(row, int(self.starts[index]), int(self.counts[index]))
        targets = self.recordings.corpus.targets(row, self.targets)
        return {"inputs": {self.modality: wave}, "targets": targets, "index": index}
