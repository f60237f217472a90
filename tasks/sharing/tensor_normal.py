"""Multilinear relationship networks: a tensor normal prior over the tasks' layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sennit.fusion import FusionInput
from sennit.tasks.sharing._base import register_sharing
from sennit.tasks.sharing._own_stacks import OwnStacks
from sennit.tasks.sharing.flip_flop import energy, flip_flop


class Covariances(nn.Module):
    """Covariances of one weight of all tasks: between tasks, between outputs and between features."""

    task: Tensor
    output: Tensor
    feature: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        for name, size in zip(("task", "output", "feature"), sizes, strict=True):
            self.register_buffer(name, torch.eye(size))

    def all(self) -> list[Tensor]:
        """Return the covariances in the order of the axes, in single precision at least."""
        return [c if c.dtype == torch.float64 else c.float() for c in (self.task, self.output, self.feature)]


@register_sharing("tensor_normal")
class TensorNormal(OwnStacks):
    """Layers of each task under a prior that learns how tasks, outputs and features relate.

    The tasks' matrices ``[out, in]`` at one place, stacked to ``W [T, out, in]``, are drawn from a tensor
    normal of mean zero. The penalty is the part of its negative logarithm that depends on the weights,
    ``strength · Σ_W ½ vec(W)ᵀ (Σ_t ⊗ Σ_o ⊗ Σ_f)^{−1} vec(W)``. The covariances start as identities, where
    it is a weight decay; every ``every`` steps one round of flip-flop re-estimates them from the weights,
    outside the graph (their determinants, which `negative_log_prior` includes, would add a constant to the
    loss and nothing to a gradient). They are saved with the model:
    ``covariances[i].task``, ``.output`` and ``.feature`` are those of the weight ``matrices[i]``.

    The weights of inactive tasks are held fixed: they act on the others and do not move.

    The tasks split at the fused vector, not at the features that the heads read, so no balancing works with
    it. A step costs a pass of the stack of each active task, and ``D · (T + out + in)`` for the penalty of a
    matrix, with D = T · out · in.

    Source: Long et al., "Learning Multiple Tasks with Multilinear Relationship Networks", NeurIPS 2017,
    sections 3 and 4. There the classifiers take part too; here heads may differ in size, so
    only hidden layers do. Each covariance has a mean variance of one, since the likelihood of
    weights and covariances together has no maximum: both shrink to zero. The authors' code also divides by
    the traces.

    Args:
        stack: Layers of each task, as `build_stack` reads it; an ``mlp`` of one block by default.
        strength: Weight of the penalty.
        every: Number of steps between updates of the covariances.
        eps: Share of the identity in each covariance.

    Shape:
        ``[N, D]`` to ``[N, D']`` for each task.

    Raises:
        ValueError: Numbers out of range, or an unknown stack.

    Example:
        >>> sharing = TensorNormal(every=1)
        >>> sharing.bind(("a", "b", "c"), 8, {})
        >>> sharing.after_step()
        >>> [tuple(c.task.shape) for c in sharing.covariances]
        [(3, 3), (3, 3)]
    """

    steps: Tensor
    count: int

    def __init__(
        self,
        *,
        stack: Mapping[str, Any] | None = None,
        strength: float = 1e-3,
        every: int = 20,
        eps: float = 0.01,
    ) -> None:
        super().__init__(stack)
        if strength < 0 or every < 1 or not 0 < eps <= 1:
            raise ValueError(
                f"`strength` should be 0 or more, `every` 1 or more and `eps` in (0, 1]. "
                f"Found {strength}, {every} and {eps}."
            )
        self.strength, self.every, self.eps = strength, every, eps

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        super().bind(tasks, in_dim, encoders)
        first = self.stacks[0].named_parameters()
        self.matrices = tuple(name for name, p in first if p.dim() >= 2)
        sizes = [self.tensor(name, tasks).shape for name in self.matrices]
        self.covariances = nn.ModuleList(Covariances(size) for size in sizes)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.count = 0  # the same number, read without waiting for the device
        self.register_load_state_dict_post_hook(_recount)  # type: ignore[no-untyped-call]

    def tensor(self, name: str, active: Collection[str]) -> Tensor:
        """Return the weights of all tasks at one place ``[T, out, in]``, detached for inactive tasks."""
        weights = [stack.get_parameter(name) for stack in self.stacks]
        return torch.stack(
            [w if t in active else w.detach() for t, w in zip(self.place, weights, strict=True)]
        ).flatten(2)

    def penalty(self) -> Tensor:
        return self._penalty(self.place)

    def penalty_of(self, features: Sequence[Mapping[str, Tensor]]) -> Tensor:
        return self._penalty({task for by_task in features for task in by_task})

    def _penalty(self, active: Collection[str]) -> Tensor:
        terms = []
        for name, covariances in zip(self.matrices, self.covariances, strict=True):
            current = covariances.all()  # type: ignore[operator]
            terms.append(energy(self.tensor(name, active).to(current[0].dtype), current))
        return self.strength * torch.stack(terms).sum()

    @torch.no_grad()
    def after_step(self) -> None:
        self.steps += 1
        self.count += 1
        if self.count % self.every:
            return
        for name, covariances in zip(self.matrices, self.covariances, strict=True):
            current: list[Tensor] = covariances.all()  # type: ignore[operator]
            updated = flip_flop(self.tensor(name, ()).to(current[0].dtype), current, eps=self.eps)
            for buffer, value in zip(covariances.buffers(), updated, strict=True):
                buffer.copy_(value)


def _recount(sharing: TensorNormal, _: object) -> None:
    sharing.count = int(sharing.steps)
