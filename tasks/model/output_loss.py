"""The loss of a task's output, for each sample."""

from __future__ import annotations

from torch import Tensor

from sennit.tasks._base import Task


def output_loss(
    task: Task, logits: Tensor, target: Tensor, *, cost: Tensor | None = None, counted: Tensor | None = None
) -> Tensor:
    """Return the loss of each sample; a batchwise task is given only the samples that count.

    Args:
        task: Task with labels.
        logits: Output of its head, or of a decision rule.
        target: Targets.
        cost: Cost of each alternative, as a decision rule gives it; None without a rule.
        counted: Mask of the samples that count; None for all.

    Shape:
        logits ``[B, out_dim]``, cost ``[B, ...]``, counted ``[B]``; result as `Task.loss` gives it.
    """
    if cost is not None:
        return task.expected_cost(cost, target)
    if counted is None or not task.batchwise:
        return task.loss(logits, target)
    rows = counted.nonzero().squeeze(1)
    losses = task.loss(logits[rows], target[rows])
    return losses.new_zeros(len(logits)).index_copy(0, rows, losses)
