"""Agreement of a model between samples with what a teacher says of the samples."""

from __future__ import annotations

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from sennit.data.batch import Batch
from sennit.tasks._base import Task, register_task
from sennit.tasks.consistency._mixing import (
    check_mixable_inputs,
    check_mixable_targets,
    mixed_view,
    partners,
)
from sennit.tasks.contract.context import StepNetwork, TaskContext
from sennit.tasks.contract.options import TaskOptions


@register_task("ict")
class ICT(Task):
    """Interpolation consistency: at a mixture of two samples, the mixture of what a teacher says of both.

    Each sample is mixed with a partner that has the same modalities, with the share ``max(λ, 1 − λ)``,
    λ ~ Beta(α, α) drawn for each row; the target is the mixture of the teacher's soft targets, without
    gradient. The loss is the squared difference of probabilities or values, averaged over them. The learner
    needs a teacher, ``teacher=create_teacher("ema", decay=0.99)``. Pass a rising `gradient_scale`, such as
    ``Ramp("gaussian", share=0.3)``. The task has no head: it reads that of the task ``of``.

    A row keeps its length; steps and missing cells that its partner lacks, ids and category codes are not
    mixed.
    Source: Verma et al. 2019, "Interpolation Consistency Training for Semi-Supervised Learning" (eq. 1,
    algorithm 1).

    Args:
        of: Name of the task whose outputs should agree.
        view: Name of the view whose samples are mixed; "" is the batch itself.
        alpha: Parameter α of the shares.
        options: Options of every task; see `Task`.

    Shape:
        Outputs as those of the task ``of``, loss ``[B]``.

    Raises:
        ValueError: ``alpha`` is not above 0.
        TypeError: The task has no soft targets, or one for each token, or reads a modality that cannot be
            mixed.

    Example:
        >>> task = ICT(of="digit", loaders=("unlabelled",))
        >>> task.needs_teacher, task.alpha
        (True, 1.0)
    """

    kind = "ict"
    target = None
    needs_teacher = True

    def __init__(self, *, of: str, alpha: float = 1.0, **options: Unpack[TaskOptions]) -> None:
        super().__init__(**options)
        if not 0 < alpha < math.inf:
            raise ValueError(f"`alpha` should be above 0. Found {alpha}.")
        self.of, self.out_dim, self.views, self.alpha = of, 0, (self.view,), alpha

    def check(self, name: str, other: Task) -> None:
        check_mixable_targets(self.kind, name, other)

    def bind(self, name: str, model: nn.Module) -> None:
        assert isinstance(self.of, str)
        check_mixable_inputs(name, self.of, model)

    def teacher_views_of(self, name: str) -> tuple[str, ...]:
        """Return no view: the teacher is asked while the mixtures are made."""
        return ()

    def views_of(self, name: str) -> tuple[str, ...]:
        """Return the view of mixed rows that the task makes, which is called after it."""
        return (name,)

    def render(self, name: str, batches: list[Batch], network: StepNetwork) -> list[Batch]:
        return [self._with_view(name, b, network) if self._reads(b) else b for b in batches]

    def _reads(self, batch: Batch) -> bool:
        return self.learns_from(batch) and (not self.view or self.view in batch.views)

    def _with_view(self, name: str, batch: Batch, network: StepNetwork) -> Batch:
        assert isinstance(self.of, str)
        view = batch.views[self.view] if self.view else batch.as_view()
        counted, lender = network.readable(self.of, view), network.task(self.of)
        with torch.no_grad():
            soft = lender.soft_target(network.outputs(view, (self.of,), teacher=True)[self.of])
        drawn = torch.distributions.Beta(self.alpha, self.alpha).sample((len(counted),))
        share, partner = torch.maximum(drawn, 1 - drawn).to(counted.device), partners(view, counted)
        mixed = mixed_view(view, partner, share, network)
        target = lender.mix(soft, soft.index_select(0, partner), share)
        values = {f"{name}/target": target, f"{name}/counted": counted}
        return batch.with_views(**{name: mixed.replaced(rows=view.rows, drawn=values)})

    def loss_from(self, context: TaskContext) -> tuple[Tensor, Tensor]:
        name, lender = context.name, context.lender
        assert isinstance(lender, Task)
        drawn, output = context.view(name).drawn, context.outputs[name]
        difference = lender.scores(output) - drawn[f"{name}/target"]
        return lender.sample_means(difference.square(), output), drawn[f"{name}/counted"]
