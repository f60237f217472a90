"""Multilinear relationship networks: a tensor normal prior over the tasks' layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from sennit.encoders._base import Encoder
from sennit.tasks.sharing._base import register_sharing
from sennit.tasks.sharing._own_stacks import OwnStacks
from sennit.tasks.sharing.flip_flop import energy, flip_flop
from torch import Tensor, nn


class Covariances(nn.Module):
    """Of one weight of all tasks: between tasks, between outputs and between features."""

    task: Tensor
    output: Tensor
    feature: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        for name, size in zip(("task", "output", "feature"), sizes, strict=True):
            self.register_buffer(name, torch.eye(size))

    def all(self) -> list[Tensor]:
        """In the order of the axes, in single precision at least."""
        return [c if c.dtype == torch.float64 else c.float() for c in (self.task, self.output, self.feature)]


@register_sharing("tensor_normal")
class TensorNormal(OwnStacks):
    """Each task has layers of its own, and a prior learns how tasks, outputs and features relate in them.

    The tasks' matrices ``[out, in]`` at one place, stacked to ``W [T, out, in]``, are drawn from a tensor
    normal of mean zero. The penalty is what of its negative logarithm depends on the weights,
    ``strength · Σ_W ½ vec(W)ᵀ (Σ_t ⊗ Σ_o ⊗ Σ_f)^{−1} vec(W)``. The covariances start as identities, where
    it is a weight decay; each ``every`` steps one round of flip-flop makes them anew from the weights,
    outside the graph (so that their determinants, which `negative_log_prior` has too, would add a number
    to the loss and nothing to a gradient). They are saved with the model:
    ``covariances[i].task``, ``.output`` and ``.feature`` are those of the weight ``matrices[i]``.

    The weights of inactive tasks are held fixed: they pull on the others', and feel no pull.

    The tasks part at the fused vector, not at the features that the heads read: no balancing works with it.
    A step costs a pass of the stack of each active task, and ``D · (T + out + in)`` for the penalty of a
    matrix, with D = T · out · in.

    Source: Long et al., "Learning Multiple Tasks with Multilinear Relationship Networks", NeurIPS 2017,
    sections 3 and 4. There the classifiers take part too; here tasks may have heads of different
    sizes, and hidden layers alone do. Each covariance has a mean variance of one, since the likelihood of
    weights and covariances together has no maximum: both shrink to zero. The code of the authors divides
    by the traces as well.

    Args:
        stack: The layers of each task, as `sennit.tasks.sharing.stacks.build_stack` reads it; an ``mlp``
        of one
            block by default.
        strength: Of the penalty.
        every: Steps from one update of the covariances to the next.
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

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, Encoder]) -> None:
        super().bind(tasks, in_dim, encoders)
        first = self.stacks[0].named_parameters()
        self.matrices = tuple(name for name, p in first if p.dim() >= 2)
        sizes = [self.tensor(name, tasks).shape for name in self.matrices]
        self.covariances = nn.ModuleList(Covariances(size) for size in sizes)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.count = 0  # the same, known without waiting for the device
        self.register_load_state_dict_post_hook(_recount)  # type: ignore[no-untyped-call]

    def tensor(self, name: str, active: Collection[str]) -> Tensor:
        """The weights of all tasks at one place ``[T, out, in]``; those of inactive tasks are fixed."""
        own = [stack.get_parameter(name) for stack in self.stacks]
        return torch.stack(
            [w if t in active else w.detach() for t, w in zip(self.place, own, strict=True)]
        ).flatten(2)

    def penalty(self) -> Tensor:
        return self._penalty(self.place)

    def penalty_of(self, features: Sequence[Mapping[str, Tensor]]) -> Tensor:
        return self._penalty({task for own in features for task in own})

    def _penalty(self, active: Collection[str]) -> Tensor:
        terms = []
        for name, covariances in zip(self.matrices, self.covariances, strict=True):
            known = covariances.all()  # type: ignore[operator]
            terms.append(energy(self.tensor(name, active).to(known[0].dtype), known))
        return self.strength * torch.stack(terms).sum()

    @torch.no_grad()
    def after_step(self) -> None:
        self.steps += 1
        self.count += 1
        if self.count % self.every:
            return
        for name, covariances in zip(self.matrices, self.covariances, strict=True):
            known: list[Tensor] = covariances.all()  # type: ignore[operator]
            found = flip_flop(self.tensor(name, ()).to(known[0].dtype), known, eps=self.eps)
            for buffer, value in zip(covariances.buffers(), found, strict=True):
                buffer.copy_(value)


def _recount(sharing: TensorNormal, _: object) -> None:
    sharing.count = int(sharing.steps)
