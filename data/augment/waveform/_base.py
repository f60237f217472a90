"""The base of every augmentation of waveforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from sennit.data.masking import zero_padding
from sennit.registry import Registry


@dataclass(frozen=True)
class Augmented:
    """Recordings after an augmentation.

    Attributes:
        x: The waveforms, zero in the padding.
        mask: Valid samples (True); None when all are.
        drawn: Random values of each recording, by name: labels for a task, or for a probe.

    Shape:
        x ``[B, T]``, mask ``[B, T]``, drawn ``[B]`` each.
    """

    x: Tensor
    mask: Tensor | None
    drawn: Mapping[str, Tensor] = field(default_factory=dict)


class Augmentation(nn.Module):
    """Changes each recording of a batch by random numbers of its own.

    They come from the CPU, so that they are the same on any device and nothing waits for a GPU. An
    augmentation acts in any mode of the module: the caller knows whether this is training.

    A subclass defines `change`, or ``forward`` where the length of recordings changes.

    Attributes:
        keeps_length: Whether recordings keep their length.
    """

    registry_name: ClassVar[str] = ""
    keeps_length: ClassVar[bool] = True

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, generator: Generator | None = None
    ) -> Augmented:
        """Change the recordings of a batch.

        Args:
            x: Waveforms; values in the padding reach nothing.
            mask: Valid samples (True); None when all are.
            generator: Random generator on the CPU; the process's own when None.

        Shape:
            x ``[B, T]``, mask ``[B, T]``.

        Raises:
            ValueError: ``x`` is not a batch of waveforms.
        """
        check_waveforms(x)
        with torch.autocast(x.device.type, enabled=False):
            changed, drawn = self.change(zero_padding(x, mask), mask, torch.arange(len(x)), generator)
        return Augmented(zero_padding(changed, mask), mask, drawn)

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the changed recordings at ``rows``, and the random values of each.

        Args:
            x: Waveforms of the whole batch, zero in the padding.
            mask: Valid samples of the whole batch.
            rows: Rows to change, on the CPU.
            generator: Random generator on the CPU; the process's own when None.

        Shape:
            x ``[B, T]``, mask ``[B, T]``, rows ``[R]``, results ``[R, T]`` and ``[R]`` each.
        """
        raise NotImplementedError


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


AUGMENTS: Registry[Augmentation] = Registry("augmentation")
register_augment = AUGMENTS.register


def create_augment(name: str, *args: Any, **options: Any) -> Augmentation:
    """Make an augmentation by name: ``create_augment("random_gain", gain_db=(-6, 6))``."""
    return AUGMENTS.create(name, *args, **options)


def list_augments(pattern: str = "*") -> list[str]:
    """Return the names of the augmentations that match a shell pattern."""
    return AUGMENTS.list(pattern)
