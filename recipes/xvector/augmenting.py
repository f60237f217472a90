"""Augmentation of training batches, as the options say."""

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


def parts_of(config: Config) -> dict[str, Augmentation]:
    """Each augmentation that was asked for, by the name of its kind."""
    parts: dict[str, Augmentation] = {}
    for name in config.augment:
        if name == "babble":
            parts[name] = Babble()
        elif name == "filter":
            parts[name] = RandomFilter(config.sample_rate)
        elif name == "gain":
            parts[name] = RandomGain()
        elif name == "reverberation":
            parts[name] = SyntheticReverberation(config.sample_rate)
        elif name == "rirs":
            assert config.rirs is not None
            parts[name] = Reverberation.from_folder(config.rirs, config.sample_rate)
        else:
            assert config.musan is not None
            parts |= musan(config.musan, config.sample_rate)
    return parts


def kinds_of(config: Config) -> Sequence[str]:
    """The names of the classes of the task "augmentation"."""
    with_musan = [("noise", "music", "babble") if name == "musan" else (name,) for name in config.augment]
    return ("clean", *dict.fromkeys(name for some in with_musan for name in some))


def make_augment(config: Config, speakers: int) -> AugmentBatch | None:
    """What is done to each training batch on its device; None for nothing."""
    steps: dict[str, Augmentation] = {}
    if config.speeds:
        steps["speed"] = SpeedPerturbation([1.0, *config.speeds])
    if config.augment:
        steps["kind"] = OneOf(parts_of(config), clean=config.clean)
    if not steps:
        return None
    return AugmentBatch(
        Chain(steps),
        targets={"augmentation": "kind.kind"} if "augmentation" in config.tasks else {},
        new_speakers=speakers if config.speeds else None,
        speed_drawn="speed.speed",
    )
