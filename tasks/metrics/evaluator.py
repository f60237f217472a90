"""Metrics, answers and counts that accumulate over batches."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.data.masking import cat_padded
from sennit.registry import unknown_name
from sennit.tasks._base import Task
from sennit.tasks.metrics.direction import leading_metric
from sennit.tasks.metrics.evaluation import Answers, Evaluation, labels_of_readable
from sennit.tasks.model.labelled_mean import of_all_ranks, sum_and_count
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.outputs import TaskOutput
from sennit.tasks.model.terms import output_loss

if TYPE_CHECKING:  # torchmetrics is slow to import
    from torchmetrics import Metric, MetricCollection

    OwnMetrics: TypeAlias = Metric | MetricCollection | Mapping[str, Metric]
    """A task's metrics as a user gives them."""


class Evaluator:
    """Scores a model batch by batch; `evaluate` is the loop around it, and validation uses it too.

    Args:
        model: Model to score. Its mode, gradients and device are the caller's to choose.
        metrics: Torchmetrics by task, as for `evaluate`.
        answers: Whether to keep outputs and targets, as for `evaluate`.
        across_ranks: Whether each batch is joined with those of the other processes, as validation needs,
            in which every process reads its share of the data; sample ids are not.

    Raises:
        ValueError: ``metrics`` names a task that the model does not have.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        metrics: Mapping[str, OwnMetrics] | None = None,
        *,
        answers: bool = True,
        across_ranks: bool = False,
    ) -> None:
        self.model, self.keeps_answers, self.across_ranks = model, answers, across_ranks
        self.tasks = {name: model.tasks[name] for name in model.answering if _has_labels(model.tasks[name])}
        for name in metrics or {}:
            if name not in self.tasks:
                raise unknown_name("task in `metrics`", name, self.tasks)
        self._given = dict(metrics or {})
        self._metrics: dict[str, MetricCollection] = {}
        self._losses: dict[str, Tensor] = {}
        self._answers: dict[str, list[Answers]] = {name: [] for name in self.tasks}
        self._excluded = {name: Counter[str]() for name in self.tasks}
        self._index: list[Tensor | None] = []
        self._samples = 0
        leaves = model.fused_encoder.leaves()
        self._see_padding = [name for name, encoder in leaves.items() if encoder.sees_padding]

    def update(self, batch: Batch) -> None:
        """Run the model on a batch, which is on the model's device, and take its outputs in."""
        padded = [m for m in self._see_padding if m in batch.masks and not bool(batch.masks[m].all())]
        if padded:
            self._see_padding = []  # said once
            warnings.warn(
                f"inputs {padded} should be of one length in a batch that is scored: their encoders see the "
                f"padding: an answer depends on the other samples. Use batches of one length, or of 1.",
                stacklevel=2,
            )
        outputs = self.model(batch)
        index = None if self.across_ranks or batch.index is None else batch.index.cpu()
        self._index.append(None if index is None or bool((index < 0).any()) else index)
        self._samples += batch.batch_size
        for name, task in self.tasks.items():
            logits = outputs[name].logits
            tensors = [logits, *_labels(task, name, batch, logits), self._readable(name, batch)]
            tensors.append(_loss(task, outputs[name], *tensors[1:]))
            if self.across_ranks:  # ranks exchange outputs: the states of metrics may differ in kind
                tensors = of_all_ranks(*tensors)
            logits, targets, labelled, readable, loss = tensors
            self._losses[name] = self._losses.get(name, 0) + loss.sum(0)
            counted, answers = labels_of_readable(labelled, readable), targets
            if task.target is not None and task.target.is_soft(targets):
                answers, counted = targets.argmax(1), counted[:, 0]  # the likeliest class is the true one
            scored = task.scorable(counted)
            self._count(name, labelled, readable, scored)
            if bool(scored.any()):
                task.update_metrics(self._metrics_of(name, logits.device), logits, answers, counted)
            if self.keeps_answers:
                kept = (logits, task.scores(logits), targets, labelled, readable)
                self._answers[name].append(Answers(*(x.detach().cpu() for x in kept)))

    def compute(self) -> Evaluation:
        """Return the evaluation of all batches so far.

        Raises:
            ValueError: There was no batch.
        """
        if not self._index:
            raise ValueError("`loader` should yield at least one batch. Found none.")
        metrics = {
            name: {key: _scalar(name, key, value) for key, value in self._metrics[name].compute().items()}
            for name in self.tasks
            if name in self._metrics
        }
        sums = {name: total.tolist() for name, total in self._losses.items()}
        losses = {name: total / count for name, (total, count) in sums.items() if count}
        answers = {name: _joined(parts) for name, parts in self._answers.items() if parts}
        ids = [ids for ids in self._index if ids is not None]
        index = torch.cat(ids) if len(ids) == len(self._index) else torch.arange(self._samples)
        excluded = {name: dict(n) for name, n in self._excluded.items()}
        return Evaluation(metrics, losses, answers, index, excluded)

    @property
    def leading(self) -> dict[str, str]:
        """Metric that stands for each task in a mean over tasks: the first that is best at its largest."""
        leading = {
            name: leading_metric(metrics, self.tasks[name].metric_names)
            for name, metrics in self._metrics.items()
        }
        return {name: metric for name, metric in leading.items() if metric is not None}

    def _metrics_of(self, name: str, device: torch.device) -> MetricCollection:
        if name not in self._metrics:
            given = self._given.get(name)
            collection = self.tasks[name].metrics() if given is None else _collection(given)
            for metric in collection.values():
                metric.sync_on_compute = False  # `update` joins the ranks where that is asked for
            self._metrics[name] = collection.to(device)
        return self._metrics[name]

    def _readable(self, name: str, batch: Batch) -> Tensor:
        readable = self.model.readable(name, batch)
        if readable is not None:
            return readable
        return torch.ones(batch.batch_size, dtype=torch.bool, device=_device(batch))

    def _count(self, name: str, labelled: Tensor, readable: Tensor, scored: Tensor) -> None:
        has_label = labelled.flatten(1).any(1) if labelled.dim() > 1 else labelled
        reasons = {
            "unlabelled": ~has_label,
            "unreadable": has_label & ~readable,
            "partly labelled": has_label & readable & ~scored,
        }
        counts = {reason: int(rows.sum()) for reason, rows in reasons.items()}
        self._excluded[name].update({reason: n for reason, n in counts.items() if n})


def _has_labels(task: Task) -> bool:
    return task.target is not None


def _labels(task: Task, name: str, batch: Batch, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return a task's targets, and which of their entries are labels; none in a batch without a label."""
    if name in batch.targets and name not in batch.unlabelled:
        targets, labelled = batch.targets[name], batch.labelled[name]
        whole = labelled.reshape(*labelled.shape, *[1] * (targets.dim() - labelled.dim()))
        return targets, whole.expand(targets.shape)
    targets = task.blank_target(logits)
    return targets, torch.zeros_like(targets, dtype=torch.bool)


def _loss(task: Task, out: TaskOutput, targets: Tensor, labelled: Tensor, readable: Tensor) -> Tensor:
    """Return the sum of a task's losses over labels of readable samples, and their number ``[1, 2]``."""
    counted = labels_of_readable(labelled, readable)
    if not bool(counted.any()):
        return torch.zeros(1, 2, dtype=torch.float64, device=targets.device)
    loss = output_loss(task, out.logits, targets, cost=out.cost, counted=counted)
    if counted.dim() > loss.dim():  # probabilities of classes
        counted = counted.flatten(loss.dim()).all(-1)
    return torch.stack(sum_and_count(loss.double(), counted)).double()[None]


def _device(batch: Batch) -> torch.device:
    return next(iter(batch.inputs.values())).device


def _collection(given: OwnMetrics) -> MetricCollection:
    from torchmetrics import Metric, MetricCollection

    if isinstance(given, MetricCollection):
        collection = given.clone()
    else:
        collection = MetricCollection(given if isinstance(given, Metric) else dict(given)).clone()
    collection.reset()
    return collection


def _scalar(task: str, metric: str, value: Tensor) -> float:
    if value.numel() != 1:
        raise ValueError(
            f"a metric should compute one number. Found shape {tuple(value.shape)} from '{metric}' of task "
            f"'{task}'. Choose an average, such as `average='macro'`."
        )
    return float(value)


def _joined(parts: list[Answers]) -> Answers:
    names = ("logits", "scores", "targets", "labelled", "readable")
    return Answers(*(cat_padded([getattr(part, name) for part in parts]) for name in names))
