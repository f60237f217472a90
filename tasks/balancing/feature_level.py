"""One surrogate loss whose ordinary backward gives balanced gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch import distributed as dist

from tasks.balancing._base import Balancing

if TYPE_CHECKING:
    from tasks.losses import Batches
    from tasks.model import MultiTaskModel
    from tasks.network import Features


def balanced_loss(
    model: MultiTaskModel, balancing: Balancing, batch: Batches
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch, whose backward weighs what the shared parameters receive.

    The tasks part at boundary tensors h. Each task's heads read a detached copy of their own, so one
    backward through the heads gives every ``g_t = ∂L_t/∂h_t``. From the Gramian of the active tasks'
    g the balancing makes weights w, and the surrogate is ``Σ_t L_t + Σ_h ⟨h, Σ_t w_t g_t⟩``: heads
    receive their own task's gradient, everything below the boundary the weighted sum. With all
    weights 1 that is the ordinary gradient.

    Under torch.distributed the Gramian is summed over ranks and the weights are those of rank 0.

    Returns:
        As `MultiTaskModel.loss`; the surrogate has the value of the ordinary loss.

    Raises:
        TypeError: The model's sharing has no common boundary.
    """
    from tasks.losses import as_batches

    if not model.sharing.has_boundary:
        raise TypeError(
            f"balancing at the features needs a tensor at which the tasks part, and sharing "
            f"'{model.sharing.registry_name}' has none. Use another sharing, such as 'hard'."
        )
    batches = as_batches(batch)
    active = model.active(batches)
    features = [model.training_features(b, active) for b in batches]
    boundary = _Boundary()
    detached = [{v: boundary.detach(f) for v, f in views.items()} for views in features]
    losses = model.task_losses(batches, detached, active)
    total = model.weighted(losses, active, detached)
    gradients = torch.autograd.grad(total, boundary.leaves, retain_graph=True, allow_unused=True)
    on = [name for name, is_on in zip(model.tasks, active, strict=True) if is_on]
    weights = _agreed(balancing, boundary.gramian(gradients, on), active)
    pulled = boundary.pull(gradients, dict(zip(on, weights.unbind(), strict=True)))
    penalty = model.penalty(features)
    carried = pulled - pulled.detach()
    loss, parts = total + carried, {t: losses[k].detach() for k, t in enumerate(model.tasks) if active[k]}
    if penalty is not None:
        loss, parts["penalty"] = loss + penalty, penalty.detach()
    parts["loss"] = loss.detach()
    return loss, parts | {f"weight/{t}": w for t, w in zip(on, weights, strict=True)}


def _agreed(balancing: Balancing, gramian: Tensor, active: Sequence[bool]) -> Tensor:
    if not dist.is_initialized():
        return balancing.weights_of(gramian, active)
    # Each rank's loss is scaled up by the number of ranks, so that DDP's average is the sum.
    gramian = gramian / dist.get_world_size() ** 2
    dist.all_reduce(gramian)
    weights = balancing.weights_of(gramian, active).contiguous()
    dist.broadcast(weights, src=0)
    return weights


class _Boundary:
    """The boundary tensors of a step, and for each the leaves that the tasks read instead."""

    def __init__(self) -> None:
        self.leaves: list[Tensor] = []
        self.readers: list[tuple[str, int]] = []
        self.tensors: list[Tensor] = []
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
            self._place[id(x)] = len(self.tensors)
            self.tensors.append(x)
        leaf = x.detach().requires_grad_()
        self.leaves.append(leaf)
        self.readers.append((task, self._place[id(x)]))
        return leaf

    def _at_each_place(
        self, gradients: Sequence[Tensor | None]
    ) -> Iterator[tuple[Tensor, list[str], list[Tensor]]]:
        for place, tensor in enumerate(self.tensors):
            found = [
                (task, g)
                for (task, p), g in zip(self.readers, gradients, strict=True)
                if p == place and g is not None
            ]
            if found:
                yield tensor, [t for t, _ in found], [g for _, g in found]

    def gramian(self, gradients: Sequence[Tensor | None], tasks: Sequence[str]) -> Tensor:
        """Inner products of the tasks' gradients over all boundary tensors ``[T, T]``, in fp32."""
        gramian = torch.zeros(len(tasks), len(tasks), device=self.leaves[0].device)
        for _, readers, own in self._at_each_place(gradients):
            flat = torch.stack([g.flatten() for g in own]).float()
            rows = torch.tensor([list(tasks).index(t) for t in readers], device=flat.device)
            gramian[rows[:, None], rows] += flat @ flat.T
        return gramian

    def pull(self, gradients: Sequence[Tensor | None], weights: Mapping[str, Tensor]) -> Tensor:
        """``Σ_h ⟨h, Σ_t w_t g_t⟩``."""
        total = self.leaves[0].new_zeros(())
        for tensor, readers, own in self._at_each_place(gradients):
            mixed = sum(weights[t].to(g.dtype) * g for t, g in zip(readers, own, strict=True))
            total = total + (tensor * mixed).sum()
        return total
