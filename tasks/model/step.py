"""A step of training, from a batch to one loss: the same for plain and for balanced training.

They differ only in how these losses become a gradient: by the backward pass of ``weighted``, or from the
gradient of each task (`sennit.tasks.balancing.balanced_loss`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.fusion.types import total_penalty
from sennit.tasks.model.losses import Views, active_tasks, task_losses, training_features
from sennit.tasks.model.network import Network
from sennit.tasks.model.outputs import Features

Batches = Batch | Mapping[str, Batch] | Sequence[Batch]


@dataclass(frozen=True)
class StepLosses:
    """The losses of a step, before they become a gradient.

    Attributes:
        tasks: Names of all tasks.
        active: Flag of each task: whether the step has a label (or views) for it.
        values: Loss of each task; zero for an inactive one.
        weighted: The losses as one, by the model's weighting.
        penalty: Sum of the penalties of the fusion and the sharing; None where there are none.

    Shape:
        values ``[K]``, weighted and penalty scalars.
    """

    tasks: tuple[str, ...]
    active: tuple[bool, ...]
    values: Tensor
    weighted: Tensor
    penalty: Tensor | None

    @property
    def active_tasks(self) -> list[str]:
        """Names of the active tasks."""
        return [task for task, on in zip(self.tasks, self.active, strict=True) if on]

    def total(
        self, loss: Tensor, diagnostics: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Add the penalty to the weighted loss, and return the sum and its parts, detached.

        Args:
            loss: The weighted loss, or a surrogate with its value.
            diagnostics: Further parts.
        """
        values = self.values.detach().unbind()
        parts = {t: value for t, value, on in zip(self.tasks, values, self.active, strict=True) if on}
        if self.penalty is not None:
            loss, parts["penalty"] = loss + self.penalty, self.penalty.detach()
        parts["loss"] = loss.detach()
        if diagnostics:
            parts |= diagnostics
        return loss, parts

    def gradient_weights(self) -> dict[str, Tensor]:
        """Return ``weighting/<task>``: the factor of each active task's gradient, ``∂weighted/∂values``.

        The backward pass runs through the few numbers of the weighting, and no further.
        """
        (weights,) = torch.autograd.grad(self.weighted, self.values, retain_graph=True)
        return self.named_weights(weights)

    def named_weights(self, weights: Tensor) -> dict[str, Tensor]:
        """Return ``weighting/<task>`` of the active tasks from the weights ``[K]`` of all."""
        named = zip(self.tasks, weights.unbind(), self.active, strict=True)
        return {f"weighting/{task}": weight for task, weight, on in named if on}


def step_losses(
    network: Network, batch: Batches, detach: Callable[[Features], Features] | None = None
) -> StepLosses:
    """Compute the losses of a step.

    Args:
        network: Model.
        batch: One batch, or several (labelled, unlabelled) by name or in a sequence.
        detach: Function that replaces the features by what the heads shall read in their place.

    Raises:
        ValueError: No task has anything to learn from the batch.
    """
    batches = as_batches(batch)
    active = active_tasks(network, batches)
    features = [training_features(network, b, active) for b in batches]
    read = features if detach is None else [{v: detach(f) for v, f in views.items()} for views in features]
    values = task_losses(network, batches, read, active)
    weighted: Tensor = network.weighting(values, active)
    if network.weighting.reads_boundary and network.training and torch.is_grad_enabled():
        network.weighting.at_boundary(values, active, _read_by_each(network, read))
    return StepLosses(network.tasks.names, active, values, weighted, _penalty(network, features))


def as_batches(batch: Batches) -> list[Batch]:
    """Return one batch, several by loader, or several in a sequence as a list."""
    if isinstance(batch, Batch):
        return [batch]
    return list(batch.values() if isinstance(batch, Mapping) else batch)


def _read_by_each(network: Network, features: Sequence[Views]) -> list[list[Tensor]]:
    """Return all tensors that the heads of each task read."""
    seen = [f for views in features for f in views.values()]
    return [
        [f.by_task[t] for f in seen if t in f.by_task]
        + [x for f in seen for x in f.auxiliary.get(t, {}).values()]
        for t in network.views
    ]


def _penalty(network: Network, features: Sequence[Views]) -> Tensor | None:
    """Return what the fusion and the sharing add to the loss; None where they add nothing."""
    seen = [f for views in features for f in views.values()]
    # Tasks may share an output.
    outputs = {id(out): out for f in seen for out in f.fused.values() if out.losses}
    penalty = total_penalty(list(outputs.values())) if outputs else None
    if not network.penalized:
        return penalty
    by_head = [{network.head_of[t]: x for t, x in f.by_task.items()} for f in seen]
    of_sharing = network.sharing.penalty_of(by_head)
    if penalty is None:
        return of_sharing
    return penalty if of_sharing is None else penalty + of_sharing
