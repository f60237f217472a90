"""Several labels, each true or false, of which any may be unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.target_spec import TargetSpec
from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled._classes import named_classes

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

LABEL_METRICS = ("accuracy", "f1_macro", "auroc", "average_precision", "log_loss")
"""Names of the metrics of labels."""


@register_task("multilabel")
class MultiLabel(Task):
    """Several labels, each true or false; hundreds of partly known ones are a single masked head.

    The loss is the binary cross-entropy of each label, averaged over the labels that are known: give
    ``labelled`` in the target's shape, or NaN for unknown ones. Metrics take a label above .5 as true.

    Args:
        labels: Number of labels, or their names.
        metrics: Names of the metrics: ``"accuracy"`` and, as means over the labels, each over the samples in
            which it is known, ``"f1_macro"``, ``"auroc"``, ``"average_precision"`` and ``"log_loss"``, which
            keep all scores of an evaluation.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, L]`` (under a decision fusion ``[B, L, 2]``), target ``[B, L]`` from 0 to 1, loss
        ``[B, L]``.

    Example:
        >>> MultiLabel(["wet", "cold"]).predict(torch.tensor([[3.0, -3.0]]))[0]["labels"]
        ['wet']
    """

    kind = "multilabel"

    def __init__(
        self,
        labels: int | Sequence[str],
        *,
        metrics: Sequence[str] = ("accuracy",),
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        self.labels = named_classes(labels, least=1, owner="a task of labels")
        check_names("metric", metrics, LABEL_METRICS)
        self.out_dim, self.metric_names = len(self.labels), tuple(metrics)
        self.target = TargetSpec((self.out_dim,), probability=True, names=tuple(self.labels))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        # Under a decision fusion an output holds both alternatives.
        logits = output[..., 1] - output[..., 0] if output.dim() == 3 else output
        return F.binary_cross_entropy_with_logits(logits.float(), target.float(), reduction="none")

    def log_probabilities(self, output: Tensor) -> Tensor:
        return F.logsigmoid(torch.stack([-output, output], -1).float())

    def expected_cost(self, cost: Tensor, target: Tensor) -> Tensor:
        # A target between 0 and 1 counts as in the binary cross-entropy: as a share of either.
        return torch.lerp(cost[..., 0], cost[..., 1], target.to(cost.dtype))

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the sum of the divergences of the labels, each between two Bernoulli distributions."""
        log_p = self._log_probabilities_of(teacher.detach())
        log_q = self._log_probabilities_of(student)
        return (log_p.exp() * (log_p - log_q)).sum((-2, -1))

    def _log_probabilities_of(self, output: Tensor) -> Tensor:
        return output.float().log_softmax(-1) if output.dim() == 3 else self.log_probabilities(output)

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the probability of each label ``[B, L]``."""
        return self.scores(output.detach())

    def output_for(self, target: Tensor) -> Tensor:
        """Return the logits of the probability of each label ``[B, L]``."""
        return target.logit(eps=torch.finfo(target.dtype).eps)

    def pseudo_label(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return the likelier value of each label, and the probability of the least certain one."""
        p = self.scores(output.detach())
        return (p > 0.5).float(), torch.maximum(p, 1 - p).amin(-1)

    def entropy(self, output: Tensor) -> Tensor:
        """Return the sum of the entropies of the labels of each sample, in nats."""
        log_p = self._log_probabilities_of(output)
        return -(log_p.exp() * log_p).sum((-2, -1))

    def sharpen(self, target: Tensor, temperature: float) -> Tensor:
        """Return ``p^{1/T} / (p^{1/T} + (1 − p)^{1/T})`` of each label's probability ``[B, L]``."""
        return (target.logit() / temperature).sigmoid()

    def metrics(self) -> MetricCollection:
        from sennit.tasks.labelled._class_metrics import label_metrics

        return label_metrics(self.metric_names, self.out_dim)

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples have any label."""
        return labelled.flatten(1).any(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        labels = labelled if labelled.dim() > 1 else labelled[:, None].expand_as(target)
        metrics.update(self.scores(logits), (target > 0.5).long().masked_fill(~labels, -1))

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the accuracy over all known labels."""
        labels = labelled if labelled.dim() > 1 else labelled[:, None].expand_as(target)
        return float(((self.scores(output) > 0.5) == (target > 0.5))[labels].float().mean())

    def scores(self, logits: Tensor) -> Tensor:
        if logits.dim() == 3:
            return logits.float().softmax(-1)[..., 1]
        return logits.float().sigmoid()

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        return [
            {
                "labels": [name for name, p in zip(self.labels, row, strict=True) if p > 0.5],
                "probabilities": dict(zip(self.labels, row, strict=True)),
            }
            for row in self.scores(logits).tolist()
        ]
