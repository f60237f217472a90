"""Effect of one task's step on another task's loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sennit.modes import evaluating
from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.losses import unweighted_losses
from sennit.tasks.model.parts import model_parts
from sennit.tasks.model.prepare import as_batches, prepare

if TYPE_CHECKING:
    from sennit.data import Batch
    from sennit.tasks.model.model import MultiTaskModel
    from sennit.tasks.model.prepare import Batches

_OF_ONE_TASK = ("heads", "rules", "weighting")


def inter_task_affinity(model: MultiTaskModel, batches: Iterable[Batches], *, lr: float) -> Tensor:
    """Measure what another task's step removes of a task's loss: ``Z_ij = 1 − L_j(θ_i) / L_j(θ)``.

    ``θ_i = θ − lr · ∂L_i/∂θ`` is a plain gradient step on the loss of task i alone, over all parameters
    except those of the heads. Above zero, task i helps task j; below, it harms it. The mean is over the
    batches in which both have a label. Losses are unweighted, in evaluation mode; the model is left as it
    was, bit for bit.

    The cost of a batch is a backward and a forward pass for each of its tasks, and memory for a gradient of
    each.

    Source: Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021
    (eq. 1, and its mean over steps). The paper takes the steps while a model trains; here they are those
    of a model as it stands.

    Args:
        model: Model, trained so far.
        batches: Labelled data, such as a loader; several batches that make one step may be one entry.
        lr: Learning rate of the step, such as that of the training.

    Returns:
        Steps in rows, losses in columns, both in the order of ``model.tasks``. NaN where no batch has labels
        of both, or the loss was zero before.

    Shape:
        ``[T, T]``.

    Raises:
        ValueError: ``lr`` is not above zero, there is no batch, or one without a label; a loss is not finite
            after a step.

    Example:
        >>> from sennit.data import Batch
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import create_fusion
        >>> from sennit.tasks import MultiTaskModel, Regression
        >>> encoders = {"a": create_encoder("mlp", 3)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders, fusion=create_fusion("concat", encoders),
        ...     tasks={"speed": Regression(), "mass": Regression()},
        ... )
        >>> batch = Batch.of(
        ...     {"a": torch.randn(8, 3)}, targets={"speed": torch.randn(8, 1), "mass": torch.randn(8, 1)}
        ... )
        >>> inter_task_affinity(model, [batch], lr=0.01).shape
        torch.Size([2, 2])
    """
    if not 0 < lr < math.inf:
        raise ValueError(f"`lr` should be more than 0. Found {lr}.")
    device = next(model.parameters()).device
    size = len(model.tasks)
    total = torch.zeros(size, size, dtype=torch.float64)
    count = torch.zeros_like(total)
    with evaluating(model):
        for batch in batches:
            step = prepare(model, [part.to(device) for part in as_batches(batch)])
            effect, measured = _effect(model, step.batches, lr)
            total += effect
            count += measured
    if not count.any():
        raise ValueError("`batches` should hold a batch with losses above zero. Found none.")
    return (total / count).float()


def _effect(model: MultiTaskModel, batches: Sequence[Batch], lr: float) -> tuple[Tensor, Tensor]:
    """Return Z of a batch, zero where it cannot be measured, and where it can."""
    of_one_task = {
        id(p)
        for name in _OF_ONE_TASK
        for module in model_parts(model).get(name, ())
        for p in module.parameters()
    }
    shared: list[Tensor] = [p for p in model.parameters() if p.requires_grad and id(p) not in of_one_task]
    active = active_tasks(model, batches)
    with torch.enable_grad():
        before = unweighted_losses(model, batches, active)
        gradients = {
            i: torch.autograd.grad(before[i], shared, retain_graph=True, materialize_grads=True)
            for i, on in enumerate(active)
            if on
        }
    measured = torch.tensor(active)[:, None] & torch.tensor(active) & (before != 0).cpu()
    effect = torch.zeros(measured.shape, dtype=torch.float64)
    start = [p.detach().clone() for p in shared]
    for i, gradient in gradients.items():
        with torch.no_grad():
            try:
                torch._foreach_add_(shared, gradient, alpha=-lr)
                after = unweighted_losses(model, batches, active)
            finally:
                torch._foreach_copy_(shared, start)
        row = 1 - after.double().cpu() / before.detach().double().cpu()
        effect[i] = row.where(measured[i], 0)
        if not bool(effect[i].isfinite().all()):
            raise ValueError(
                f"losses should be finite after a step of `lr`. Found {after.tolist()} of tasks "
                f"{list(model.tasks)} after one of '{list(model.tasks)[i]}' with lr={lr}. Lower it."
            )
    return effect, measured
