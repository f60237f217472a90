"""Augmentation of training batches, from the options."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Generator, Tensor

from sennit.data.augment.waveform import (
    Augmentation,
    Augmented,
    Babble,
    Bandwidth,
    Chain,
    Codec,
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

_NARROW, _TELEPHONE = (6000, 8000, 12000), 8000  # sample rates in Hz
_CODECS = ("mu_law", "adpcm")  # the fast ones; development recordings pass others too


class EqualSpeed(SpeedPerturbation):
    """Changes speeds, and cuts all recordings to the length of the fastest.

    Chunks that were equally long stay so: what follows needs no mask, and computes nothing that is cut.

    Example:
        >>> import torch
        >>> out = EqualSpeed([0.9, 1.1])(torch.randn(6, 990))
        >>> out.x.shape, out.mask
        (torch.Size([6, 900]), None)
    """

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, generator: Generator | None = None
    ) -> Augmented:
        out = super().forward(x, mask, generator=generator)
        assert out.mask is not None
        length = min(-(-x.shape[1] * ratio.denominator // ratio.numerator) for ratio in self.ratios)
        valid = out.mask[:, :length]
        return Augmented(out.x[:, :length], None if bool(valid.all()) else valid, out.drawn)


def augmentations_of(config: Config) -> dict[str, Augmentation]:
    """Return the chosen augmentations of which a chunk has at most one, by the name of their kind."""
    chosen: dict[str, Augmentation] = {}
    for name in config.augment:
        if name == "babble":
            chosen[name] = Babble()
        elif name == "bandwidth":
            lower = [rate for rate in _NARROW if rate < config.rate] or [3 * config.rate // 4]
            chosen[name] = Bandwidth(config.rate, rates=lower)
        elif name == "codec":
            chosen[name] = Codec(config.rate, codecs=_CODECS, rate=min(_TELEPHONE, config.rate))
        elif name == "filter":
            chosen[name] = RandomFilter(config.rate)
        elif name == "reverberation":
            chosen[name] = SyntheticReverberation(config.rate)
        elif name == "rirs":
            assert config.rirs is not None
            chosen[name] = Reverberation.from_folder(config.rirs, config.rate)
        elif name == "musan":
            assert config.musan is not None
            chosen |= musan(config.musan, config.rate)
    return chosen


def kinds_of(config: Config) -> Sequence[str]:
    """Return the names of the classes of the task "augmentation"."""
    alone = [name for name in config.augment if name != "gain"]
    with_musan = [("noise", "music", "babble") if name == "musan" else (name,) for name in alone]
    return ("clean", *dict.fromkeys(name for kinds in with_musan for name in kinds))


def make_augment(config: Config, speakers: int) -> AugmentBatch | None:
    """Return the augmentation of each training batch on its device; None without any."""
    steps: dict[str, Augmentation] = {}
    if config.speeds:
        steps["speed"] = EqualSpeed([1.0, *config.speeds])
    if kinds := augmentations_of(config):
        steps["kind"] = OneOf(kinds, clean=config.clean)
    if "gain" in config.augment:
        steps["gain"] = RandomGain()
    if not steps:
        return None
    return AugmentBatch(
        Chain(steps),
        targets={"augmentation": "kind.kind"} if "augmentation" in config.tasks else {},
        new_speakers=speakers if config.speeds else None,
        speed_drawn="speed.speed",
    )
