"""The tensors at which the tasks part, and the tasks' gradients there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from sennit.tasks.balancing._base import Balancing
    from sennit.tasks.model.network import Features
    from sennit.tasks.sharing import Sharing


def check_boundary(balancing: Balancing, sharing: Sharing) -> None:
    """The tasks part somewhere.

    Raises:
        TypeError: The sharing has no common boundary.
    """
    if not sharing.has_boundary:
        raise TypeError(
            f"balancing '{balancing.registry_name}' needs a tensor at which the tasks part, and sharing "
            f"'{sharing.registry_name}' has none. Use another sharing, such as 'hard'."
        )


@dataclass(eq=False)
class Place:
    """A boundary tensor h and the gradients ``∂L_t/∂h`` of the tasks t that read it."""

    tensor: Tensor
    tasks: list[str]
    gradients: list[Tensor]

    @cached_property
    def stacked(self) -> Tensor:
        """The gradients ``[T, ...]`` of the tasks that read it."""
        return torch.stack(self.gradients)

    def mixed(self, weights: Tensor, tasks: list[str]) -> Tensor:
        """``Σ_t w_t g_t``, with the weights of these tasks, in their order."""
        if self.tasks != tasks:
            weights = weights[[tasks.index(t) for t in self.tasks]]
        return weighted_sum(weights, self.stacked)


def weighted_sum(weights: Tensor, gradients: Tensor) -> Tensor:
    """``Σ_t w_t g_t``.

    Shape:
        weights ``[T]``, gradients ``[T, ...]``, result as one gradient.
    """
    kind = torch.promote_types(gradients.dtype, weights.dtype)  # a weight may be too large for half precision
    total = weights.to(kind) @ gradients.reshape(len(gradients), -1).to(kind)
    return total.to(gradients.dtype).view(gradients.shape[1:])


class Boundary:
    """The boundary tensors of a step, and for each the leaves that the tasks read instead."""

    def __init__(self) -> None:
        self.leaves: list[Tensor] = []
        self._readers: list[tuple[str, int]] = []
        self._tensors: list[Tensor] = []
        self._place: dict[int, int] = {}

    def detach(self, features: Features) -> Features:
        """The same features, with a leaf for every task in the place of each tensor."""
        by_task = {t: self._leaf(t, x) for t, x in features.by_task.items()}
        auxiliary = {
            t: {m: self._leaf(t, x) for m, x in own.items()} for t, own in features.auxiliary.items()
        }
        return replace(features, by_task=by_task, auxiliary=auxiliary)

    def _leaf(self, task: str, x: Tensor) -> Tensor:
        if id(x) not in self._place:
            self._place[id(x)] = len(self._tensors)
            self._tensors.append(x)
        leaf = x.detach().requires_grad_()
        self.leaves.append(leaf)
        self._readers.append((task, self._place[id(x)]))
        return leaf

    def places(self, gradients: Sequence[Tensor | None]) -> list[Place]:
        """The boundary tensors that a task's loss depends on.

        Args:
            gradients: Of the leaves, in their order; None where there is none.
        """
        places = [Place(x, [], []) for x in self._tensors]
        for (task, place), g in zip(self._readers, gradients, strict=True):
            if g is not None:
                places[place].tasks.append(task)
                places[place].gradients.append(g)
        return [place for place in places if place.tasks]
