"""The recordings that a back-end was calibrated on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sennit.data.augment.waveform import Augmentation
from sennit.encoders import Encoder
from sennit.recipes.xvector.data import Segments
from sennit.recipes.xvector.embedding import EMBEDDING, MEASURED, embed_taps
from sennit.recipes.xvector.signals import TOLERANCE
from sennit.tasks.verification import Domain


def domain_of(
    encoder: Encoder, trials: Mapping[str, Segments], channels: Mapping[str, Augmentation | None]
) -> Domain:
    """Return the domain of the segments of calibration trials, through each of several channels.

    Args:
        encoder: Speaker encoder.
        trials: Segments by their length.
        channels: Augmentations by name; None leaves segments as they are.
    """
    outputs, speakers, places = [], [], []
    for name, channel in channels.items():
        for segments in trials.values():
            outputs.append(embed_taps(encoder, segments, augment=channel, taps=(), measured=True))
            speakers.append(segments.speaker)
            places += [name] * len(segments)
    order = np.argsort(np.concatenate(speakers), kind="stable")  # a speaker's segments follow one another
    x, *measures = (
        np.concatenate([output[key] for output in outputs])[order]
        for key in (EMBEDDING, *(f"{MEASURED}{name}" for name in TOLERANCE))
    )
    return Domain.fit(
        x, dict(zip(TOLERANCE, measures, strict=True)), TOLERANCE, places=np.array(places)[order]
    )
