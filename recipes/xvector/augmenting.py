"""Augmentation of training batches, from the options."""

from __future__ import annotations

from collections.abc import Sequence

from sennit.data.augment.waveform import (
    Augmentation,
    Babble,
    Chain,
    OneOf,
    RandomFilter,
    RandomGain,
    Reverberation,
    SpeedPerturbation,
    SyntheticReverberation,
    musan,
)
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.data import AugmentBatch


def augmentations_of(config: Config) -> dict[str, Augmentation]:
    """Return the chosen augmentations by the name of their kind."""
    chosen: dict[str, Augmentation] = {}
    for name in config.augment:
        if name == "babble":
            chosen[name] = Babble()
        elif name == "filter":
            chosen[name] = RandomFilter(config.sample_rate)
        elif name == "gain":
            chosen[name] = RandomGain()
        elif name == "reverberation":
            chosen[name] = SyntheticReverberation(config.sample_rate)
        elif name == "rirs":
            assert config.rirs is not None
            chosen[name] = Reverberation.from_folder(config.rirs, config.sample_rate)
        else:
            assert config.musan is not None
            chosen |= musan(config.musan, config.sample_rate)
    return chosen


def kinds_of(config: Config) -> Sequence[str]:
    """Return the names of the classes of the task "augmentation"."""
    with_musan = [("noise", "music", "babble") if name == "musan" else (name,) for name in config.augment]
    return ("clean", *dict.fromkeys(name for kinds in with_musan for name in kinds))


def make_augment(config: Config, speakers: int) -> AugmentBatch | None:
    """Return the augmentation of each training batch on its device; None without any."""
    steps: dict[str, Augmentation] = {}
    if config.speeds:
        steps["speed"] = SpeedPerturbation([1.0, *config.speeds])
    if config.augment:
        steps["kind"] = OneOf(augmentations_of(config), clean=config.clean)
    if not steps:
        return None
    return AugmentBatch(
        Chain(steps),
        targets={"augmentation": "kind.kind"} if "augmentation" in config.tasks else {},
        new_speakers=speakers if config.speeds else None,
        speed_drawn="speed.speed",
    )
