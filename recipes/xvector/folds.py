"""Channels that make other corpora of the development recordings."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.data.augment.waveform import Augmentation, Codec, OneOf, RandomFilter, SyntheticReverberation
from sennit.encoders import Encoder
from sennit.recipes.xvector.backends import Embedded
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import Segments

_TELEPHONE = 8000  # sample rate in Hz


def folds_of(config: Config) -> Mapping[str, Augmentation | None]:
    """Return the folds that choose and calibrate a back-end: the corpus as it is, and as others would be.

    By telephone, in rooms, and crossing: each recording through a channel of its own. A back-end that is
    better only on the corpus it was fitted to is not chosen.
    """
    telephone = Codec(config.rate, rate=min(_TELEPHONE, config.rate))
    room = SyntheticReverberation(config.rate)
    crossing = OneOf({"telephone": telephone, "room": room, "filter": RandomFilter(config.rate)}, clean=0.25)
    return {"corpus": None, "telephone": telephone, "room": room, "crossing": crossing}


def embed_folds(
    config: Config, encoder: Encoder, trials: Mapping[str, Segments]
) -> dict[str, dict[str, Embedded]]:
    """Return the embeddings of each fold, by the length of the segments."""
    return {
        fold: {length: Embedded.of(encoder, segments, channel) for length, segments in trials.items()}
        for fold, channel in folds_of(config).items()
    }
