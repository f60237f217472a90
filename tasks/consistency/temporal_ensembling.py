"""Agreement of a model with what it said of the same samples in earlier epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import torch
from torch import Tensor, nn

from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.lending import check_lends
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.memory.sample_memory import SampleMemory


@register_task("temporal_ensembling")
class TemporalEnsembling(Task):
    """Agreement of a task's outputs with the mean of its earlier ones for the same sample, labelled or not.

    After each visit of a sample ``Z ← α Z + (1 − α) z``, where z is the output as a soft target
    (probabilities, values); the target of the next visit is ``Z / (1 − αⁿ)`` after n visits. The loss is the
    task's own `divergence`, for a classification the KL from the target; the paper has the squared error. A
    sample that was never visited does not count. Every visit counts for the sample, so that a shorter loader,
    which is read more often in an epoch, is corrected rightly. Pass a rising `gradient_scale`, such as
    ``Ramp("gaussian", share=0.3)``. The task has no head: it reads that of the task ``of``.
    Source: Laine & Aila 2017, "Temporal Ensembling for Semi-Supervised Learning" (algorithm 2).

    Every sample needs an id, ``Batch.index``: from 0 on, in each loader. The learner writes the memory after
    the optimizer's step; a training loop by hand calls `after_step`.

    Args:
        of: Name of the task whose outputs should agree.
        samples: Number of samples of the loader that the task learns from; by loader, where it learns from
            several.
        decay: Weight α of the mean so far, from 0 to less than 1.
        student: Name of the view that is read; "" is the batch itself.
        options: Options of every task; see `Task`.

    Shape:
        Outputs as those of the task ``of``, loss ``[B]``.

    Raises:
        ValueError: ``decay`` or ``samples`` is out of range; in training, a sample without an id.
        TypeError: The task ``of`` has no soft targets, or outputs of no fixed size.

    Example:
        >>> task = TemporalEnsembling(of="digit", samples={"labelled": 100, "unlabelled": 60000})
        >>> task.memory.size
        60100
    """

    kind = "temporal_ensembling"
    target = None

    def __init__(
        self,
        *,
        of: str,
        samples: int | Mapping[str, int],
        decay: float = 0.6,
        student: str = "",
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` should be from 0 to less than 1. Found {decay}.")
        self.of, self.views, self.out_dim, self.decay = of, (student,), 0, decay
        self.memory = SampleMemory(samples)
        self._seen: list[tuple[Tensor, Tensor]] = []

    def check(self, name: str, other: Task) -> None:
        check_lends(name, other, "divergence", "soft_target", "output_for")

    def bind(self, name: str, model: nn.Module) -> None:
        lender: Task = model.get_submodule("tasks")[self.of]  # type: ignore[index]
        self.memory.shape = (lender.out_dim,)

    def loss_from(self, context: TaskContext) -> tuple[Tensor, Tensor]:
        (view,), batch = self.views, context.batch
        output, index, counted = context.outputs[view], batch.index, context.counted
        if (of_view := context.view(view).rows) is not None:
            index, counted = (None if x is None else x.index_select(0, of_view) for x in (index, counted))
        rows = self.memory.rows(batch.loader, index)
        mean, counts = self.memory.read(rows)
        weight = 1 - self.decay ** counts.clamp(min=1).to(mean.dtype)
        target = context.lender.output_for(mean / weight.reshape(-1, *[1] * (mean.dim() - 1)))
        loss = context.lender.divergence(target, output)
        if self.training and torch.is_grad_enabled():  # not a second look at the step
            seen = context.lender.soft_target(output)
            self._seen.append((rows, seen) if counted is None else (rows[counted], seen[counted]))
        return loss, counts > 0

    def after_step(self) -> None:
        """Write the outputs of the step's samples."""
        values, counts = self.memory.held("values"), self.memory.held("counts")
        rows = torch.cat([counts.new_zeros(0), *(rows for rows, _ in self._seen)])
        seen = torch.cat([values[:0], *(values.to(self.memory.dtype) for _, values in self._seen)])
        self._seen = []
        self.memory.write(rows, seen, decay=self.decay)
