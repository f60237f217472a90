"""The questions of probes: labelled sets of segments, and splits of them without leakage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from sennit.data.augment.waveform import (
    Augmentation,
    Augmented,
    Babble,
    OneOf,
    RandomFilter,
    RandomGain,
    SpeedPerturbation,
    SyntheticReverberation,
)
from sennit.data.augment.waveform.convolution import convolve
from sennit.encoders import Encoder
from sennit.recipes.xvector.data import Recordings, Segments
from sennit.recipes.xvector.embedding import DRAWN, EMBEDDING, embed_taps

SPEEDS, LENGTHS_S, CHANNELS = (1.0, 0.9, 1.1), (1.0, 1.5, 2.0, 3.0), 4
_CHANNEL_SEED = 7


@dataclass(frozen=True)
class Question:
    """A label, with the features of the segments.

    Attributes:
        name: Name of the label.
        features: Features of the segments by tap.
        label: Label of each segment.
        group: Group of each segment, which stays on one side of a split.
        split_by: Description of the groups.

    Shape:
        features ``[N, D]`` each, label and group ``[N]``.
    """

    name: str
    features: Mapping[str, np.ndarray]
    label: np.ndarray
    group: np.ndarray
    split_by: str

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows to train on and to test on: a third of the groups (of each speaker's)."""
        random = np.random.default_rng(seed)
        if self.name == "speaker":
            tested = [
                g for name in np.unique(self.label) for g in _third(self.group[self.label == name], random)
            ]
        else:
            tested = list(_third(self.group, random))
        test = np.isin(self.group, tested)
        return np.flatnonzero(~test), np.flatnonzero(test)


def _third(groups: np.ndarray, random: np.random.Generator) -> np.ndarray:
    names = np.unique(groups)
    return random.permutation(names)[: max(1, len(names) // 3)]


class Channel(Augmentation):
    """A filter of each recording by one of a few fixed channels."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        filters = RandomFilter(sample_rate)
        impulse = torch.zeros(CHANNELS, 2 * filters.taps + 1)
        impulse[:, filters.taps] = 1
        self.responses = filters(impulse, generator=torch.Generator().manual_seed(_CHANNEL_SEED)).x

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        which = torch.randint(CHANNELS, (len(rows),), generator=generator)
        middle = torch.full((len(rows),), self.responses.shape[1] // 2, device=x.device)
        chosen = x.index_select(0, rows.to(x.device))
        return convolve(chosen, self.responses[which].to(x.device), middle), {"channel": which}


class EvenSpeed(Augmentation):
    """A change of speed after which all have the same length, which would give the speed away."""

    keeps_length = False

    def __init__(self) -> None:
        super().__init__()
        self.speed = SpeedPerturbation(SPEEDS)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, generator: Generator | None = None
    ) -> Augmented:
        out = self.speed(x, mask, generator=generator)
        length = math.floor(x.shape[1] / max(SPEEDS) + 1e-6)
        return Augmented(out.x[:, :length], None if mask is None else out.mask[:, :length], out.drawn)


def questions(encoder: Encoder, recordings: Recordings, *, seconds: float, count: int) -> Iterator[Question]:
    """Yield every label that can be probed.

    Args:
        encoder: Encoder whose taps are read.
        recordings: Recordings of the corpus.
        seconds: Length of the segments.
        count: Number of segments of each recording.
    """
    corpus, rate = recordings.corpus, recordings.sample_rate
    segments = Segments.crops(recordings, seconds, count=count)
    speaker, place = segments.speaker, np.arange(len(segments))
    features = _features(encoder, segments)
    repeated = bool(np.bincount(corpus.speaker).min() > 1)
    group = segments.rows if repeated else place
    if len(corpus.speakers) > 1:
        yield Question("speaker", features, speaker, group, "recording" if repeated else "crop")
    for name, column in corpus.labels.items():
        label = column[segments.rows]
        labelled = label >= 0
        if len(np.unique(label[labelled])) > 1:
            kept = {tap: x[labelled] for tap, x in features.items()}
            yield Question(name, kept, label[labelled], speaker[labelled], "speaker")
    kinds = {
        "babble": Babble(),
        "filter": RandomFilter(rate),
        "gain": RandomGain(),
        "reverberation": SyntheticReverberation(rate),
    }
    augmentations: dict[str, tuple[Augmentation, str]] = {
        "speed": (EvenSpeed(), "speed"),
        "augmentation": (OneOf(kinds, clean=1 / (len(kinds) + 1)), "kind"),
        "channel": (Channel(rate), "channel"),
    }
    for name, (augment, drawn) in augmentations.items():
        augmented = _features(encoder, segments, augment)
        label = augmented.pop(f"{DRAWN}{drawn}").astype(np.int64)
        yield Question(name, augmented, label, speaker, "speaker")
    lengths = [s for s in LENGTHS_S if s <= float(np.median(corpus.seconds))]
    if len(lengths) > 1:
        parts = [Segments.crops(recordings, s, count=1) for s in lengths]
        whole = [p.counts >= s * recordings.rates[p.rows] for s, p in zip(lengths, parts, strict=True)]
        by_length = [_features(encoder, p) for p in parts]
        joined = {
            tap: np.concatenate([x[tap][keep] for x, keep in zip(by_length, whole, strict=True)])
            for tap in by_length[0]
        }
        label = np.repeat(np.arange(len(lengths)), [int(keep.sum()) for keep in whole])
        groups = np.concatenate([p.speaker[keep] for p, keep in zip(parts, whole, strict=True)])
        yield Question("length", joined, label, groups, "speaker")


def _features(
    encoder: Encoder, segments: Segments, augment: Augmentation | None = None
) -> dict[str, np.ndarray]:
    """Return the features of the taps from shallow to deep; an embedding that equals a tap comes once."""
    features = embed_taps(encoder, segments, augment=augment)
    names: Sequence[str] = [tap.name for tap in encoder.tap_info]
    if names and np.array_equal(features[names[-1]], features[EMBEDDING]):
        features[f"{names[-1]} (embedding)"] = features.pop(EMBEDDING)
        del features[names[-1]]
    return features
