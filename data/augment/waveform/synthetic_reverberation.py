"""Reverberation without a folder of impulse responses."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, check_range, same_energy, take, uniform
from sennit.data.augment.waveform.convolution import convolve


@register_augment("synthetic_reverberation")
class SyntheticReverberation(WaveformAugmentation):
    """Convolves each recording with a response of exponentially decaying noise.

    ``h(t) = δ(t) + g · n(t) · e^(−3 ln(10) t / RT60)`` with Gaussian noise n, scaled by g so that the
    direct sound and the rest have the ratio of energies that was drawn. The recording keeps its energy.
    Source: Polack 1988, "La transmission de l'énergie sonore dans les salles" (the statistical model).

    Args:
        sample_rate: Sample rate in Hz.
        rt60_s: Range of the time in which the sound decays by 60 dB.
        direct_db: Range of the ratio of the direct sound's energy to that of the rest.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn ``rt60_s [B]``.

    Units:
        ``sample_rate`` in Hz, ``rt60_s`` in seconds, ``direct_db`` in dB.

    Raises:
        ValueError: A range is not in order, or a decay is shorter than one sample.

    Example:
        >>> wet = SyntheticReverberation(8000)(torch.randn(2, 4000))
        >>> wet.x.shape, bool((wet.drawn["rt60_s"] > 0).all())
        (torch.Size([2, 4000]), True)
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        rt60_s: tuple[float, float] = (0.1, 0.8),
        direct_db: tuple[float, float] = (-3, 12),
    ) -> None:
        super().__init__()
        check_range("rt60_s", rt60_s, 1 / sample_rate)
        check_range("direct_db", direct_db)
        self.sample_rate, self.rt60_s, self.direct_db = sample_rate, rt60_s, direct_db

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        wave, valid = take(x, mask, rows)
        decay = uniform((len(rows),), self.rt60_s, generator, x.device)
        ratio = uniform((len(rows),), self.direct_db, generator, x.device)
        length = math.ceil(self.rt60_s[1] * self.sample_rate) + 1
        time = torch.arange(length, device=x.device) / self.sample_rate
        noise = torch.randn(len(rows), length, generator=generator).to(x.device, non_blocking=True)
        tail = noise * (-3 * math.log(10) * time / decay.unsqueeze(1)).exp()
        tail[:, 0] = 0
        gain = (10 ** (-ratio / 20)).unsqueeze(1) / tail.square().sum(1, keepdim=True).sqrt()
        response = tail * gain
        response[:, 0] = 1
        no_shift = torch.zeros(len(rows), dtype=torch.long, device=x.device)
        wet = convolve(wave, response.to(x.dtype), no_shift)
        return same_energy(wet, wave, valid), {"rt60_s": decay}
