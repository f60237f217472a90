"""Ids of a text that others of the vocabulary replace."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("switchout")
class Switchout(Augmentation):
    """Replaces some ids of each text by others of the vocabulary, each as likely.

    The number n of replaced ids is drawn with ``p(n) ∝ exp(−n / τ)``, n from 0 to the length.
    Source: Wang et al. 2018, "SwitchOut: an Efficient Data Augmentation Algorithm for Neural Machine
    Translation" (algorithm 1).

    Args:
        vocabulary: Least id that may be replaced, or take a place, and number of ids.
        temperature: Temperature τ of the number; larger ones replace more.

    Shape:
        x ``[B, T]`` of ids, mask ``[B, T]``; drawn ``replaced [B, T]`` (True).

    Raises:
        ValueError: The vocabulary has fewer than two ids, ``temperature`` is not above 0, or ``x`` holds no
            ids.

    Example:
        >>> out = Switchout(vocabulary=(2, 9), temperature=1e9)(torch.tensor([[1, 5, 6, 7]]))
        >>> int(out.x[0, 0]), bool((out.x[out.drawn["replaced"]] >= 2).all())
        (1, True)
    """

    def __init__(self, *, vocabulary: tuple[int, int], temperature: float = 1.0) -> None:
        super().__init__()
        first, size = vocabulary
        if not 0 <= first < size - 1 or not 0 < temperature < torch.inf:
            raise ValueError(
                f"`vocabulary` should be the least id and the number of ids, two or more of them, and "
                f"`temperature` above 0. Found {vocabulary} and {temperature}."
            )
        self.vocabulary, self.temperature = (first, size), temperature

    def check(self, x: Tensor) -> None:
        if x.dim() != 2 or x.is_floating_point():
            raise ValueError(f"`x` should be ids [batch, time]. Found {(*x.shape,)} of {x.dtype}.")

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        first, size = self.vocabulary
        rows = rows.to(x.device, non_blocking=True)
        taken = x.index_select(0, rows)
        may = taken >= first if mask is None else (taken >= first) & mask.index_select(0, rows)
        order = torch.rand(taken.shape, generator=generator).to(x.device).masked_fill(~may, 2.0)
        number = self._number(may.sum(1), generator)
        rank = order.argsort(1).argsort(1)
        replaced = may & (rank < number.unsqueeze(1))
        # A step of 1 or more around the vocabulary, so that no id replaces itself.
        step = torch.randint(1, size - first, taken.shape, generator=generator).to(x.device)
        other = (taken - first + step) % (size - first) + first
        return torch.where(replaced, other.to(taken.dtype), taken), {"replaced": replaced}

    def _number(self, lengths: Tensor, generator: Generator | None) -> Tensor:
        """Return how many ids of each text are replaced."""
        u = torch.rand(len(lengths), 1, generator=generator).to(lengths.device)
        counts = torch.arange(int(lengths.max()) + 1 if len(lengths) else 1, device=lengths.device)
        p = (-counts / self.temperature).exp() * (counts <= lengths.unsqueeze(1))
        return (u * p.sum(1, keepdim=True) > p.cumsum(1)).sum(1)
