"""Slices of a series in another order."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import SeriesAugmentation, take


@register_augment("permutation")
class Permutation(SeriesAugmentation):
    """Cuts each series into slices of random length and joins them in random order.

    The order is a target for a task: "is this the order in time?"
    Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks" (permutation).

    Args:
        slices: Number of slices; a shorter series has one for each of its steps.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn ``order [B, slices]``: which slice stands first, second, ….

    Raises:
        ValueError: ``slices`` is below 2, or ``x`` is not series.

    Example:
        >>> out = Permutation(slices=2)(torch.arange(6.0).reshape(1, 6, 1))
        >>> sorted(out.x.flatten().tolist()), sorted(out.drawn["order"][0].tolist())
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0, 1])
    """

    def __init__(self, *, slices: int = 4) -> None:
        super().__init__()
        if slices < 2:
            raise ValueError(f"`slices` should be 2 or more. Found {slices}.")
        self.slices = slices

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, lengths = take(x, mask, rows)
        steps = torch.arange(taken.shape[1], device=x.device)
        u = torch.rand(len(taken), self.slices - 1, generator=generator).sort(1).values.to(x.device)
        # Cuts stand before a step, each one a step or more after the last; those behind the end cut nothing.
        spare = (lengths - self.slices + 1).clamp(min=1).unsqueeze(1)
        cuts = (u * spare).long() + torch.arange(1, self.slices, device=x.device)
        of = (steps >= cuts.unsqueeze(2)).sum(1)  # slice of each step
        order = torch.rand(len(taken), self.slices, generator=generator).argsort(1).to(x.device)
        rank = order.argsort(1).gather(1, of)  # place of the slice of each step
        valid = steps < lengths.unsqueeze(1)
        places = torch.where(valid, rank, self.slices) * taken.shape[1] + steps
        return taken.gather(1, places.argsort(1).unsqueeze(2).expand_as(taken)), {"order": order}
