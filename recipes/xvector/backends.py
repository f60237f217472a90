"""Embeddings with their speakers, and the segments that a back-end is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from sennit.data.augment.waveform import Augmentation
from sennit.encoders import Encoder
from sennit.recipes.xvector.data import Recordings, Segments
from sennit.recipes.xvector.embedding import embed
from sennit.tasks.verification.backend import Kind

KINDS: Sequence[Kind] = get_args(Kind)
_RECORDINGS, _ALL = 10, 3000  # for each speaker, or in total where that is more
_SEGMENTS = 6  # for each speaker with few recordings
_MONITOR_SPEAKERS = 1000  # training speakers, after an epoch
_MIN_DEVIATION = 1e-4  # share of the largest one that PLDA without LDA needs in each dimension


@dataclass(frozen=True)
class Embedded:
    """Embeddings with the number of each one's speaker.

    Shape:
        x ``[N, D]``, speaker ``[N]``.
    """

    x: np.ndarray
    speaker: np.ndarray

    @classmethod
    def of(cls, encoder: Encoder, segments: Segments, augment: Augmentation | None = None) -> Embedded:
        """Embed segments."""
        return cls(embed(encoder, segments, augment=augment), segments.speaker)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return every pair once: rows ``[P, 2]``, and whether they have the same speaker ``[P]``."""
        pairs = np.stack(np.triu_indices(len(self.x), 1), 1)
        return pairs, self.speaker[pairs[:, 0]] == self.speaker[pairs[:, 1]]

    def varies_throughout(self) -> bool:
        """Return whether the variation within speakers fills all dimensions, as PLDA needs."""
        _, number = np.unique(self.speaker, return_inverse=True)
        total = np.zeros((number.max() + 1, self.x.shape[1]))
        np.add.at(total, number, self.x)
        within = self.x - (total / np.bincount(number)[:, None])[number]
        values = np.linalg.svd(within, compute_uv=False)
        return len(within) >= within.shape[1] and bool(values[-1] > _MIN_DEVIATION * values[0])


def joined(parts: Sequence[Embedded]) -> Embedded:
    """Join several sets of the same speakers."""
    return Embedded(np.concatenate([p.x for p in parts]), np.concatenate([p.speaker for p in parts]))


def training_segments(recordings: Recordings, crop_seconds: float) -> Segments:
    """Return segments of several recordings of each speaker, whole and in parts."""
    by_speaker = recordings.corpus.by_speaker()
    most = max(_RECORDINGS, _ALL // len(by_speaker))
    chosen = np.concatenate([rows[:most] for rows in by_speaker])
    most = int(np.bincount(recordings.corpus.speaker[chosen]).max())
    crops = Segments.crops(recordings, crop_seconds, count=max(1, _SEGMENTS // most))
    halves = Segments.crops(recordings, 2 * crop_seconds, count=max(1, _SEGMENTS // (2 * most)))
    parts = [crops, halves, Segments.whole(recordings)]
    keep = [np.isin(segments.rows, chosen) for segments in parts]
    rows, starts, counts = (
        np.concatenate([getattr(segments, name)[k] for segments, k in zip(parts, keep, strict=True)])
        for name in ("rows", "starts", "counts")
    )
    return Segments(recordings, rows, starts, counts, targets=("speaker",), modality=crops.modality)


def pairs_of(recordings: Recordings, crop_seconds: float) -> Segments:
    """Return two segments of each speaker, from two recordings where possible, to monitor the training."""
    corpus = recordings.corpus
    rows = np.concatenate([np.resize(rows, 2) for rows in corpus.by_speaker()[:_MONITOR_SPEAKERS]])
    crops = Segments.crops(recordings, crop_seconds, count=2)
    first, behind = (np.searchsorted(crops.rows, rows, side) for side in ("left", "right"))
    places = first + np.arange(len(rows)) % 2 % (behind - first)  # a short recording has a single crop
    kept = (getattr(crops, name)[places] for name in ("rows", "starts", "counts"))
    return Segments(recordings, *kept, targets=("speaker",), modality=crops.modality)
