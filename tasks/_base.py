"""The base class of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.data.batch import Batch
from sennit.data.collate import Sample
from sennit.data.target_spec import TargetSpec
from sennit.ramp import Progress, plain
from sennit.registry import Registry
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.feature_source import FUSED
from sennit.tasks.contract.hooks import TrainingHooks
from sennit.tasks.contract.lending import Lending
from sennit.tasks.contract.options import Optioned, TaskOptions

if TYPE_CHECKING:  # torchmetrics is slow to import, and brings much with it
    from torchmetrics import MetricCollection


class Task(Optioned, Lending, TrainingHooks, Configurable, nn.Module):
    """Something to learn: a head, a loss for each sample, metrics and a prediction.

    A task does not reduce its losses: the model does that in one place, over the samples that count. A task
    with labels defines `loss`, one without `loss_from`.

    Args:
        reads: Modalities that the task may see; None for all.
        view: View of the batch that a task with labels reads; "" is the batch itself.
        drawn: Name of the value, ``"<modality>/<name>"``, that an augmentation drew for each row of the view
            and that is the task's target; None for a target of the data.
        loaders: Loaders, by name, whose batches the task learns from; None for all.
        sources: Place, or places by name, at which its head reads; the fused vector when None.
        through: Task whose encoders, fusion and sharing the head reads through; its own when None. Under a
            sharing with encoders for each task a pretext names the task that it should help.
        gradient_scale: Factor on the task's gradient, applied after weighting and balancing; its loss keeps
            its value. A ramp multiplied into a loss would be cancelled by six of the ten weightings.
        reversal: Factor on the gradient that leaves the head downwards: below zero for an adversary, 0 for a
            probe.
        weighted: Whether the weighting and the balancing see the task; otherwise its loss is added as it is.
            False is the default of an adversary, which most weightings would reward, and its only choice.

        answers: Whether predictions, exports and metrics hold the task; when None, those with labels of the
            data and a head do.

    Attributes:
        kind: Kind of the task ("classification").
        dense: Whether the target has a label for each place of a map; the output is then a map too.
        out_dim: Size of the head's output.
        target: Shape and type of a sample's target; None for a task without labels.
        of: Task, or tasks, that lend it their outputs: None for a task with labels.
        views: Views of the batch that the loss of a task without labels compares; "" is the batch itself.
        gaussian: Whether the loss is a squared error; uncertainty weighting halves its weight.
        batchwise: Whether a sample's loss depends on the other samples of its batch; such a task with labels
            receives only the labelled ones.
        least_rows: Number of samples, over all ranks, that a batch must have for a task without labels to
            learn from it.
        metric_names: Names of its metrics where they can be chosen: the first that is best at its largest
            stands for the task in a mean over tasks.
        by_token: Whether it has a label, and an output, for each token of its source; those of padding are
            zeros, and their losses are dropped.

    Raises:
        ValueError: An option out of range.
    """

    kind: ClassVar[str]
    dense: ClassVar[bool] = False
    gaussian: ClassVar[bool] = False
    batchwise: ClassVar[bool] = False
    least_rows: ClassVar[int] = 1
    by_token: ClassVar[bool] = False
    metric_names: tuple[str, ...] = ()
    of: str | tuple[str, ...] | None = None
    views: tuple[str, ...] = ()
    out_dim: int
    target: TargetSpec | None

    def __init__(self, **options: Unpack[TaskOptions]) -> None:
        super().__init__()
        self.set_options(options)

    @property
    def config(self) -> dict[str, Any]:
        """Plain JSON values from which it is rebuilt."""
        return {key: plain(value) for key, value in super().config.items()}

    @property
    def lenders(self) -> tuple[str, ...]:
        """Names of the tasks that lend it their outputs."""
        return (self.of,) if isinstance(self.of, str) else self.of or ()

    @property
    def has_head(self) -> bool:
        """Whether the task has a head of its own, and not that of another task."""
        return not self.lenders

    @property
    def answers(self) -> bool:
        """Whether predictions, exports and metrics hold the task."""
        if self._answers is not None:
            return self._answers
        return self.target is not None and self.has_head and self.drawn is None and self.view == ""

    @property
    def reads_fused(self) -> bool:
        """Whether the head reads the fused vector alone."""
        return self.sources == FUSED

    def views_of(self, name: str) -> tuple[str, ...]:
        """Return the views that the task, under its name in the model, reads; its loss needs all of them."""
        return (self.view,) if self.target is not None else self.views or ("",)

    def learns_from(self, batch: Batch) -> bool:
        """Return whether the batch is of a loader that the task learns from."""
        return self.loaders is None or batch.loader in self.loaders

    def loss_from(self, context: TaskContext) -> Tensor | tuple[Tensor, Tensor]:
        """Return the loss of each sample, for a task without labels, and perhaps which of its entries count.

        Shape:
            loss ``[B]``; or loss ``[R, ...]`` and a mask of that shape, where other units than samples count.
        """
        raise NotImplementedError

    def build_source_head(self, dims: Mapping[str, int]) -> nn.Module:
        """Make a new head on the task's sources.

        Args:
            dims: Size of each source.

        Shape:
            A single source named "" comes as a tensor, several as a mapping from names to tensors.
        """
        return self.build_head(dims[""])

    def build_head(self, in_dim: int) -> nn.Module:
        """Make a new head: ``[B, in_dim]`` to ``[B, out_dim]``."""
        return nn.Linear(in_dim, self.out_dim)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample, not reduced.

        Shape:
            output ``[B, out_dim]``, target as ``target`` says, result ``[B]``, or the target's shape
            where its entries are labelled separately.
        """
        raise NotImplementedError

    def keeps(self, output: Tensor, target: Tensor, progress: Progress) -> Tensor | None:
        """Return which labelled samples count in training, by their outputs ``[B]``; None for all."""
        return None

    def check(self, name: str, other: Task) -> None:
        """Refuse another task, by its name, whose outputs this one cannot learn from.

        Raises:
            TypeError: It cannot.
        """

    def log_probabilities(self, output: Tensor) -> Tensor | None:
        """Return log-probabilities ``[..., C]`` of the alternatives for decision fusions, or None."""
        return None

    def expected_cost(self, cost: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample from the cost that a decision rule gives each alternative."""
        raise NotImplementedError

    def metrics(self) -> MetricCollection:
        """Return new metrics; they read ``(scores(logits), target)`` of labelled samples."""
        raise NotImplementedError

    def blank_target(self, output: Tensor) -> Tensor:
        """Return targets of the size of an output, for a batch that has none; all zero."""
        assert self.target is not None
        sizes = [size or 1 for size in self.target.shape]
        return torch.zeros(len(output), *sizes, dtype=self.target.dtype, device=output.device)

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples the metrics take in: those labelled throughout.

        Shape:
            labelled ``[B]`` or the target's shape, result ``[B]``.
        """
        return labelled.flatten(1).all(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        """Update the metrics with the samples whose target is labelled in every entry."""
        rows = self.scorable(labelled)
        if bool(rows.any()):
            metrics.update(self.scores(logits)[rows], target[rows])

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return one figure over the labelled samples, at best 1, which a search maximises.

        It is the first of `metrics`, computed without their state.
        """
        raise NotImplementedError

    def scores(self, logits: Tensor) -> Tensor:
        """Return probabilities where the task has any, values otherwise; the metrics read them."""
        raise NotImplementedError

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        """Return one plain answer for each sample."""
        raise NotImplementedError

    def predict_samples(self, logits: Tensor, samples: Sequence[Sample]) -> list[Mapping[str, Any]]:
        """Return one plain answer for each sample, in the terms of its raw inputs.

        Args:
            logits: Outputs of the head.
            samples: Samples as `Preprocessing` returned them; most tasks do not need them.
        """
        return self.predict(logits)


TASKS: Registry[Task] = Registry("task")
register_task = TASKS.register


def create_task(name: str, *args: Any, **options: Any) -> Task:
    """Make a task by name: ``create_task("classification", 10)``."""
    return TASKS.create(name, *args, **options)


def list_tasks(pattern: str = "*") -> list[str]:
    """Return the names of the tasks that match a shell pattern."""
    return TASKS.list(pattern)
