"""Several labels, each true or false, of which any may be unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.target_spec import TargetSpec
from sennit.tasks._base import Task, register_task

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


@register_task("multilabel")
class MultiLabel(Task):
    """Several labels, each true or false; hundreds of partly known ones are a single masked head.

    The loss is the binary cross-entropy of each label, averaged over the labels that are known: give
    ``labelled`` in the target's shape, or NaN for the unknown ones to `Collate`.

    Args:
        labels: Number of labels, or their names.
        auroc: Whether to add the area under the ROC curve to the metrics: the mean over the labels, each over
            the samples in which it is known. It stores all scores of an evaluation.
        reads: Modalities that the task may read; None for all.

    Shape:
        output ``[B, L]`` (under a decision fusion ``[B, L, 2]``), target ``[B, L]`` from 0 to 1, loss
        ``[B, L]``.

    Example:
        >>> MultiLabel(["wet", "cold"]).predict(torch.tensor([[3.0, -3.0]]))[0]["labels"]
        ['wet']
    """

    kind = "multilabel"

    def __init__(
        self, labels: int | Sequence[str], *, auroc: bool = False, reads: tuple[str, ...] | None = None
    ) -> None:
        super().__init__(reads=reads)
        self.labels = [str(i) for i in range(labels)] if isinstance(labels, int) else list(labels)
        self.out_dim, self.auroc = len(self.labels), auroc
        self.target = TargetSpec((self.out_dim,), probability=True)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(output.float(), target.float(), reduction="none")

    def log_probabilities(self, output: Tensor) -> Tensor:
        return F.logsigmoid(torch.stack([-output, output], -1).float())

    def expected_cost(self, cost: Tensor, target: Tensor) -> Tensor:
        # A target between 0 and 1 counts as in the binary cross-entropy: as a share of either.
        return torch.lerp(cost[..., 0], cost[..., 1], target.to(cost.dtype))

    def metrics(self) -> MetricCollection:
        from torchmetrics import Metric, MetricCollection
        from torchmetrics.classification import BinaryAccuracy, MultilabelAccuracy

        from sennit.tasks.metrics.by_label import MeanByLabel, roc_auc

        several = self.out_dim > 1  # MultilabelAccuracy refuses a single label
        accuracy: Metric = (
            MultilabelAccuracy(self.out_dim, average="micro", ignore_index=-1)
            if several
            else BinaryAccuracy(ignore_index=-1)
        )
        return MetricCollection(
            {"accuracy": accuracy, **({"auroc": MeanByLabel(roc_auc)} if self.auroc else {})}
        )

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples have any label."""
        return labelled.flatten(1).any(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        labels = labelled if labelled.dim() > 1 else labelled[:, None].expand_as(target)
        metrics.update(self.scores(logits), target.long().masked_fill(~labels, -1))

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
