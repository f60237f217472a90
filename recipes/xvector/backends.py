"""The back-end: fitted to training speakers, chosen and calibrated on development speakers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from sennit.data.augment.waveform import Augmentation
from sennit.encoders import Encoder
from sennit.recipes.xvector.data import Recordings, Segments
from sennit.recipes.xvector.embedding import embed
from sennit.tasks.verification import Backend, Calibration, min_cllr
from sennit.tasks.verification.backend import Kind

KINDS: Sequence[Kind] = get_args(Kind)
_RECORDINGS, _ALL = 10, 3000  # for each speaker, or in total where that is more
_SEGMENTS = 8  # for each speaker with few recordings
_MONITOR_SPEAKERS = 1000  # training speakers, after an epoch
# PLDA without LDA needs this many rows per dimension, and this share of the largest deviation in each.
_ROWS_PER_DIMENSION = 2
_MIN_DEVIATION = 1e-4


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


@dataclass(frozen=True)
class Chosen:
    """A back-end, the options chosen for it, and its results on development speakers.

    Attributes:
        backend: Back-end, calibrated on all development trials together.
        options: Chosen options.
        min_cllr: Minimal Cllr of development trials, the mean over their lengths.
        calibrations: Calibration for each length of the segments, fitted to the trials of that length.
        development: Whether each development trial has one speaker, and its score, by length.
    """

    backend: Backend
    options: Mapping[str, Any]
    min_cllr: float
    calibrations: Mapping[str, Calibration]
    development: Mapping[str, tuple[np.ndarray, np.ndarray]]


def choose(
    kind: Kind,
    training: Mapping[str, Embedded],
    development: Mapping[str, Embedded],
    *,
    lda_dims: Sequence[int],
    cohort_top: Sequence[int],
    p_target: float,
) -> Chosen:
    """Return the calibrated back-end of a kind with the lowest minimal Cllr on development trials.

    Args:
        kind: "cosine" or "plda".
        training: Sets of embeddings to fit to, by name.
        development: Sets of embeddings to choose by, by length; trials are all pairs of each set.
        lda_dims: LDA dimensions to choose among; 0 is none, which PLDA tries if there are enough
            embeddings. Those that are too many are left out.
        cohort_top: Cohort sizes to choose among; 0 is none.
        p_target: Prior to calibrate for, on all trials together.

    Raises:
        ValueError: No option fits, or no back-end separates the development speakers.
    """
    best: Chosen | None = None
    tried = 0
    trials = {name: embedded.pairs() for name, embedded in development.items()}
    for options in _options(kind, training, lda_dims, cohort_top):
        embedded = training[options["learned_from"]]
        backend = Backend(kind, lda_dim=options["lda_dim"] or None, cohort_top=options["cohort_top"] or None)
        backend.fit(embedded.x, embedded.speaker)
        scores = _score(backend, development, trials)
        value = float(np.mean([min_cllr(scores[name], trials[name][1]) for name in trials]))
        tried += 1
        apart = all(_apart(scores[name], same) for name, (_, same) in trials.items())
        if apart and (best is None or value < best.min_cllr):
            calibrations = {
                name: Calibration.fit(scores[name], same, p_target=p_target)
                for name, (_, same) in trials.items()
            }
            development_trials = {name: (same, scores[name]) for name, (_, same) in trials.items()}
            best = Chosen(backend, options, value, calibrations, development_trials)
            backend.calibrate(
                np.concatenate([scores[name] for name in trials]),
                np.concatenate([same for _, same in trials.values()]),
                p_target=p_target,
            )
    if best is None and tried:
        raise ValueError(
            f"a '{kind}' back-end should give development trials of one speaker higher scores. Found "
            f"none of {tried} that does so for segments of every length. Train longer (--epochs), or hold "
            f"out more speakers (--development_speakers)."
        )
    if best is None:
        raise ValueError(
            f"--lda_dims should hold a number that fits a '{kind}' back-end: from 2 to the number of "
            f"training speakers less one, or 0 (with PLDA if there are enough embeddings). "
            f"Found {list(lda_dims)}."
        )
    return best


def _apart(scores: np.ndarray, same: np.ndarray) -> bool:
    return bool(scores[same].mean() > scores[~same].mean())


def _options(
    kind: Kind, training: Mapping[str, Embedded], lda_dims: Sequence[int], cohort_top: Sequence[int]
) -> Iterator[dict[str, Any]]:
    for name, embedded in training.items():
        speakers = len(np.unique(embedded.speaker))
        most = min(embedded.x.shape[1], speakers - 1)
        plenty = kind == "plda" and len(embedded.x) - speakers > _ROWS_PER_DIMENSION * embedded.x.shape[1]
        plenty = plenty and 0 in lda_dims and embedded.varies_throughout()
        for dim in (dim for dim in lda_dims if dim <= most and (dim or kind == "cosine" or plenty)):
            for top in cohort_top:
                if top <= speakers:
                    yield {"learned_from": name, "lda_dim": dim, "cohort_top": top}


def _score(
    backend: Backend,
    sets: Mapping[str, Embedded],
    trials: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, np.ndarray]:
    return {name: backend.score(e.x, e.x, pairs=trials[name][0]) for name, e in sets.items()}
