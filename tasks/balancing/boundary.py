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
    from sennit.tasks.model.outputs import Features
    from sennit.tasks.sharing import Sharing


def check_boundary(balancing: Balancing, sharing: Sharing) -> None:
    """Check that the tasks part at one tensor.

    Raises:
        TypeError: The sharing has no common boundary.
    """
    if not sharing.has_boundary:
        raise TypeError(
            f"balancing '{balancing.registry_name}' needs a tensor at which the tasks part, and sharing "
            f"'{sharing.registry_name}' has none. Use another sharing, such as 'hard'."
        )


@dataclass(eq=False)
class BoundaryGradients:
    """A boundary tensor h and the gradients ``∂L_t/∂h`` of the tasks t that read it.

    Attributes:
        tensor: The boundary tensor.
        tasks: Names of the tasks that read it; twice where a task reads it in two places.
        gradients: Gradient of each of them.
    """

    tensor: Tensor
    tasks: list[str]
    gradients: list[Tensor]

    @cached_property
    def stacked(self) -> Tensor:
        """The gradients ``[T, ...]`` of the tasks that read the tensor."""
        return torch.stack(self.gradients)

    def mixed(self, weights: Tensor, tasks: list[str]) -> Tensor:
        """Return ``Σ_t w_t g_t``, with the weights of these tasks, in their order."""
        if self.tasks != tasks:
            weights = weights[[tasks.index(t) for t in self.tasks]]
        return weighted_sum(weights, self.stacked)


def weighted_sum(weights: Tensor, gradients: Tensor) -> Tensor:
    """Return ``Σ_t w_t g_t``.

    Shape:
        weights ``[T]``, gradients ``[T, ...]``, result like one gradient.
    """
    kind = torch.promote_types(gradients.dtype, weights.dtype)  # a weight may be too large for half precision
    total = weights.to(kind) @ gradients.reshape(len(gradients), -1).to(kind)
    return total.to(gradients.dtype).view(gradients.shape[1:])


class Boundary:
    """The boundary tensors of a step, and the leaves that the tasks read in their place.

    Attributes:
        leaves: Detached copies of the boundary tensors, one for each task that reads one.
    """

    def __init__(self) -> None:
        self.leaves: list[Tensor] = []
        self._readers: list[tuple[str, int]] = []
        self._tensors: list[Tensor] = []
        self._position: dict[int, int] = {}

    def detach(self, features: Features) -> Features:
        """Return the same features, with a separate leaf for every task in the place of each tensor."""
        by_task = {t: self._leaf(t, x) for t, x in features.by_task.items()}
        auxiliary = {
            t: {m: self._leaf(t, x) for m, x in vectors.items()} for t, vectors in features.auxiliary.items()
        }
        return replace(features, by_task=by_task, auxiliary=auxiliary)

    def _leaf(self, task: str, x: Tensor) -> Tensor:
        if id(x) not in self._position:
            self._position[id(x)] = len(self._tensors)
            self._tensors.append(x)
        leaf = x.detach().requires_grad_()
        self.leaves.append(leaf)
        self._readers.append((task, self._position[id(x)]))
        return leaf

    def gathered(self, gradients: Sequence[Tensor | None]) -> list[BoundaryGradients]:
        """Return the boundary tensors that a task's loss depends on, with the tasks' gradients.

        Args:
            gradients: Gradient of each leaf; None where there is none.
        """
        boundaries = [BoundaryGradients(x, [], []) for x in self._tensors]
        for (task, position), g in zip(self._readers, gradients, strict=True):
            if g is not None:
                boundaries[position].tasks.append(task)
                boundaries[position].gradients.append(g)
        return [one for one in boundaries if one.tasks]
