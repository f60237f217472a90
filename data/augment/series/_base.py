"""The base of every augmentation of series."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation


class SeriesAugmentation(Augmentation):
    """Changes each series of a batch ``[B, T, C]`` by random numbers of its own."""

    def check(self, x: Tensor) -> None:
        if x.dim() != 3 or not x.is_floating_point():
            hint = " Is the batch axis missing? Try `x.unsqueeze(0)`." if x.dim() == 2 else ""
            raise ValueError(
                f"`x` should be series [batch, time, channels] of floats. Found {(*x.shape,)} of "
                f"{x.dtype}.{hint}"
            )


def take(x: Tensor, mask: Tensor | None, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the series at ``rows``, and their numbers of valid steps.

    Shape:
        ``[R, T, C]`` and ``[R]``.
    """
    rows = rows.to(x.device, non_blocking=True)
    taken = x.index_select(0, rows)
    if mask is None:
        return taken, torch.full((len(taken),), taken.shape[1], device=x.device)
    return taken, mask.index_select(0, rows).sum(1)


def at_places(x: Tensor, places: Tensor, lengths: Tensor) -> Tensor:
    """Return values between the steps, by linear interpolation; a place beyond an end is that end.

    Args:
        x: Series.
        places: Places to read, in steps.
        lengths: Number of valid steps of each series.

    Shape:
        x ``[R, T, C]``, places ``[R, S]``, lengths ``[R]``, result ``[R, S, C]``.
    """
    last = (lengths - 1).clamp(min=0).to(places.dtype).unsqueeze(1)
    places = torch.minimum(places.clamp(min=0), last)
    before = places.floor()
    after = torch.minimum(before + 1, last)
    share = (places - before).unsqueeze(2).to(x.dtype)
    one, other = (
        x.gather(1, place.long().unsqueeze(2).expand(-1, -1, x.shape[2])) for place in (before, after)
    )
    return one + share * (other - one)


def smooth_curves(knots: Tensor, steps: int, lengths: Tensor) -> Tensor:
    """Return Catmull-Rom splines through knots that lie evenly over the valid steps.

    Between ``p₁`` and ``p₂``, at a share u of the way, with ``p₀`` and ``p₃`` beside them (the ends repeat):
    ``½ (2p₁ + (p₂ - p₀) u + (2p₀ - 5p₁ + 4p₂ - p₃) u² + (3p₁ - p₀ - 3p₂ + p₃) u³)``.

    Args:
        knots: Values at the knots, two or more.
        steps: Number of steps of the result.
        lengths: Number of valid steps of each row.

    Shape:
        knots ``[R, K, C]``, lengths ``[R]``, result ``[R, steps, C]``.
    """
    count = knots.shape[1]
    share = torch.arange(steps, device=knots.device) / (lengths - 1).clamp(min=1).unsqueeze(1)
    places = share.clamp(max=1) * (count - 1)
    left = places.floor().clamp(max=count - 2)
    u = (places - left).unsqueeze(2)
    p0, p1, p2, p3 = (
        knots.gather(1, (left.long() + k).clamp(0, count - 1).unsqueeze(2).expand(-1, -1, knots.shape[2]))
        for k in (-1, 0, 1, 2)
    )
    cubic = (2 * p0 - 5 * p1 + 4 * p2 - p3) * u**2 + (3 * p1 - p0 - 3 * p2 + p3) * u**3
    return (2 * p1 + (p2 - p0) * u + cubic) / 2


def normal(shape: tuple[int, ...], generator: Generator | None, like: Tensor) -> Tensor:
    """Return normal random numbers, drawn on the CPU."""
    return torch.randn(shape, generator=generator).to(like.device, like.dtype, non_blocking=True)


def uniform(shape: tuple[int, ...], generator: Generator | None, like: Tensor) -> Tensor:
    """Return random numbers from 0 to 1, drawn on the CPU."""
    return torch.rand(shape, generator=generator).to(like.device, like.dtype, non_blocking=True)


def check_sigma(sigma: float) -> None:
    """Refuse a deviation that is not above 0."""
    if not 0 < sigma < torch.inf:
        raise ValueError(f"`sigma` should be more than 0. Found {sigma}.")


def check_share(name: str, share: float) -> None:
    """Refuse a share that is not between 0 and 1."""
    if not 0 < share < 1:
        raise ValueError(f"`{name}` should be between 0 and 1. Found {share}.")
