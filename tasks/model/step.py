"""A step of training, from a batch to one loss: the same for plain and for balanced training.

They differ only in how these losses become a gradient: by the backward pass of ``weighted``, or from the
gradient of each task (`sennit.tasks.balancing.balanced_loss`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import torch
from torch import Tensor

from sennit.ramp import value_at
from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.gradient_scale import scale_gradient
from sennit.tasks.model.losses import task_losses, training_features
from sennit.tasks.model.network import Network
from sennit.tasks.model.outputs import Features
from sennit.tasks.model.penalties import step_penalty
from sennit.tasks.model.prepare import Batches, prepare
from sennit.tasks.model.terms import Views


@dataclass(frozen=True)
class StepLosses:
    """The losses of a step, before they become a gradient.

    Attributes:
        tasks: Names of all tasks.
        active: Flag of each task: whether the step has a label (or views) for it.
        balanced: Flag of each task: whether the weighting and the balancing see it.
        scales: Factor on the gradient of each task, behind the weighting; None where all are 1.
        values: Loss of each task; zero for an inactive one.
        weighted: The losses as one: by the model's weighting, with those that it does not see added.
        penalty: Sum of the penalties of the fusion and the sharing; None where there are none.

    Shape:
        values ``[K]``, weighted and penalty scalars.
    """

    tasks: tuple[str, ...]
    active: tuple[bool, ...]
    balanced: tuple[bool, ...]
    scales: Tensor | None
    values: Tensor
    weighted: Tensor
    penalty: Tensor | None

    @property
    def active_tasks(self) -> list[str]:
        """Names of the active tasks."""
        return list(compress(self.tasks, self.active))

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
    prepared = prepare(network, batch)
    batches = prepared.batches
    active = active_tasks(network, batches)
    features = [training_features(network, b, active) for b in batches]
    read = features if detach is None else [{v: detach(f) for v, f in views.items()} for views in features]
    values = task_losses(network, batches, read, active, prepared.teacher)
    scales = _scales(network, values, batches[0].gradient_shares)
    scaled = values if scales is None else scale_gradient(values, scales)
    chosen = network.weighted
    if all(chosen):
        weighted: Tensor = network.weighting(scaled, active)
    else:
        weighted = chosen_of(scaled, [not on for on in chosen]).sum()
        on = tuple(compress(active, chosen))
        if any(on):
            weighted = weighted + network.weighting(chosen_of(scaled, chosen), on)
    reads_boundary = network.weighting.reads_boundary and any(compress(active, chosen))
    if reads_boundary and network.training and torch.is_grad_enabled():
        of_each = list(compress(_read_by_each(network, read), chosen))
        network.weighting.at_boundary(chosen_of(values, chosen), tuple(compress(active, chosen)), of_each)
    return StepLosses(
        tasks=network.tasks.names,
        active=active,
        balanced=chosen,
        scales=scales,
        values=values,
        weighted=weighted,
        penalty=step_penalty(network, [f for views in features for f in views.values()]),
    )


def chosen_of(values: Tensor, chosen: Sequence[bool]) -> Tensor:
    """Return the values ``[K]`` of the chosen tasks; all of them as they are."""
    return values if all(chosen) else torch.stack(list(compress(values.unbind(), chosen)))


def _scales(network: Network, values: Tensor, shares: Mapping[str, float]) -> Tensor | None:
    """Return the factor on the gradient of each task at this position of the training."""
    scales = [
        value_at(task.gradient_scale, network.progress) * shares.get(name, 1.0)
        for name, task in network.tasks_by_name.items()
    ]
    return None if all(scale == 1 for scale in scales) else values.new_tensor(scales)


def _read_by_each(network: Network, features: Sequence[Views]) -> list[list[Tensor]]:
    """Return all tensors that the heads of each task read."""
    seen = [f for views in features for f in views.values()]
    return [
        [
            x
            for reading in network.readings.of_task[task]
            for f in seen
            for x in (
                *((f.by_task[reading],) if reading in f.by_task else ()),
                *f.auxiliary.get(reading, {}).values(),
                *f.sources.get(reading, {}).values(),
            )
        ]
        for task in network.views
    ]
