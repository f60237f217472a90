"""The penalties of a step: what the fusion and the sharing add to the loss."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sennit.tasks.model.labelled_mean import labelled_means
from sennit.tasks.model.network import Network
from sennit.tasks.model.outputs import Features


def step_penalty(network: Network, seen: Sequence[Features]) -> Tensor | None:
    """Return what the fusion and the sharing add to the loss; None where they add nothing.

    Args:
        network: Model.
        seen: Features of all batches and views of the step; those that nothing learns from add nothing.
    """
    seen = [features for features in seen if not features.detached]
    penalty = _of_fusion(network, seen)
    if not network.penalized:
        return penalty
    trunk_of = network.readings.trunk_of
    by_head = [{trunk_of[r]: x for r, x in f.by_task.items()} for f in seen]
    of_sharing = network.sharing.penalty_of(by_head)
    if penalty is None:
        return of_sharing
    return penalty if of_sharing is None else penalty + of_sharing


def _of_fusion(network: Network, seen: Sequence[Features]) -> Tensor | None:
    """Return the sum of the fusion's penalties, each averaged over the samples of the step.

    Samples of several batches and views are joined, so that a penalty weighs as much in a step of two
    loaders as in one; views whose fused features no head reads have none. Fusions of tasks with encoders of
    their own have one each.
    """
    terms: dict[tuple[str, str], dict[int, Tensor]] = {}
    for features in seen:
        for reading, out in features.fused.items():
            if not out.losses or not network.reads_fused(reading):
                continue
            column = network.readings.trunk_of[reading] if network.sharing.per_task_encoders else ""
            for name, values in out.losses.items():  # which tasks may share
                terms.setdefault((column, name), {})[id(values)] = values
    if not terms:
        return None
    return labelled_means([[(x, None) for x in values.values()] for values in terms.values()]).sum()
