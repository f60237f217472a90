"""The base of every augmentation of waveforms."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation


class WaveformAugmentation(Augmentation):
    """Changes each recording of a batch ``[B, T]`` by random numbers of its own."""

    def check(self, x: Tensor) -> None:
        check_waveforms(x)


def check_waveforms(x: Tensor) -> None:
    """Refuse a tensor that is not a batch of waveforms."""
    if x.dim() != 2 or not x.is_floating_point():
        hint = " Is the batch axis missing? Try `x.unsqueeze(0)`." if x.dim() == 1 else ""
        raise ValueError(
            f"`x` should be waveforms [batch, time] of floats. Found {(*x.shape,)} of {x.dtype}.{hint}"
        )


def check_range(name: str, values: tuple[float, float], low: float = -torch.inf) -> None:
    """Refuse a range that is not an ordered pair."""
    if len(values) != 2 or not low <= values[0] <= values[1]:
        least = "" if low == -torch.inf else f", {low:g} or more"
        raise ValueError(f"`{name}` should be two numbers, the smaller first{least}. Found {values}.")


def take(x: Tensor, mask: Tensor | None, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the recordings at ``rows``, and their valid samples as 0 and 1.

    Shape:
        ``[R, T]`` and ``[R, T]``.
    """
    rows = rows.to(x.device, non_blocking=True)
    taken = x.index_select(0, rows)
    return taken, torch.ones_like(taken) if mask is None else mask.index_select(0, rows).to(taken.dtype)


def uniform(
    shape: tuple[int, ...], values: tuple[float, float], generator: Generator | None, device: torch.device
) -> Tensor:
    """Return random numbers between the two values, drawn on the CPU."""
    low, high = values
    drawn = low + (high - low) * torch.rand(shape, generator=generator)
    return drawn.to(device, non_blocking=True)


def energy(x: Tensor, valid: Tensor) -> Tensor:
    """Return the sum of squares over valid samples ``[R, 1]``."""
    return (x.square() * valid).sum(1, keepdim=True)


def same_energy(y: Tensor, x: Tensor, valid: Tensor) -> Tensor:
    """Return ``y`` scaled to the energy of ``x``; silence where y has none."""
    energy_of_y = energy(y, valid)
    ratio = torch.where(energy_of_y > 0, energy(x, valid) / energy_of_y.clamp_min(1e-30), 0.0)
    return y * ratio.sqrt()


def mix(x: Tensor, noise: Tensor, valid: Tensor, snr_db: Tensor) -> Tensor:
    """Add noise to speech at a ratio of their energies over valid samples; silence stays silent.

    Shape:
        x, noise and valid ``[R, T]``, snr_db ``[R]``.
    """
    return x + same_energy(noise, x, valid) * (10 ** (-snr_db / 20)).unsqueeze(1)


def add_up(pool: Tensor, power: Tensor, chosen: Tensor, voices: Tensor) -> Tensor:
    """Return for each row the sum of its first ``voices`` chosen clips, of equal power.

    Shape:
        pool ``[P, T]``, power ``[P]``, chosen ``[R, most]`` (no clip twice in a row), voices ``[R, 1]``,
        result ``[R, T]``.
    """
    counted = torch.arange(chosen.shape[1]) < voices
    share = torch.zeros(len(chosen), len(pool)).scatter(1, chosen, counted.float())
    share = share.to(pool.device, pool.dtype, non_blocking=True)
    return (share * power.clamp_min(1e-30).rsqrt()) @ pool
