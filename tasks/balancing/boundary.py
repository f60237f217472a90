"""The tensors at which the tasks part, and the tasks' gradients there."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from sennit.tasks.balancing._base import Balancing
    from sennit.tasks.model.network import Network
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


def warn_of_places(balancing: Balancing, model: Network) -> None:
    """Warn where tasks that read at different places would be compared by their gradients there.

    Gradients at different tensors are orthogonal by construction.
    """
    elsewhere = [t for t in model.source_readers if model.tasks[t].weighted]
    heads = (model.tasks[t] for t in model.with_head)
    places = {frozenset(task.sources.items()) for task in heads if task.weighted}
    if balancing.level == "features" and elsewhere and len(places) > 1:
        warnings.warn(
            f"balancing '{balancing.registry_name}' compares gradients at the fused features, and "
            f"{elsewhere} read elsewhere: theirs count as orthogonal to the others. Use level='parameters'.",
            stacklevel=3,
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

    def of(self, tasks: Collection[str]) -> BoundaryGradients | None:
        """Return the same with the gradients of some tasks only; None where none of them reads the tensor."""
        if all(task in tasks for task in self.tasks):
            return self
        kept = [(t, g) for t, g in zip(self.tasks, self.gradients, strict=True) if t in tasks]
        return BoundaryGradients(self.tensor, [t for t, _ in kept], [g for _, g in kept]) if kept else None

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

    Args:
        task_of: Task of each reading; a reading that is not named is a task.

    Attributes:
        leaves: Detached copies of the boundary tensors, one for each reading.
    """

    def __init__(self, task_of: Mapping[str, str] | None = None) -> None:
        self._task_of = task_of or {}
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
        sources = {
            t: {n: self._leaf(t, x) for n, x in of_task.items()} for t, of_task in features.sources.items()
        }
        return replace(features, by_task=by_task, auxiliary=auxiliary, sources=sources)

    def _leaf(self, reading: str, x: Tensor) -> Tensor:
        if id(x) not in self._position:
            self._position[id(x)] = len(self._tensors)
            self._tensors.append(x)
        leaf = x.detach().requires_grad_()
        self.leaves.append(leaf)
        self._readers.append((self._task_of.get(reading, reading), self._position[id(x)]))
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
