"""Recall at 1 as a metric of torchmetrics."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from sennit.tasks.metrics.nearest import nearest_is_of_class


class RecallAt1(Metric):
    """`nearest_is_of_class` over all batches."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    embeddings: list[Tensor]
    classes: list[Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("embeddings", default=[], dist_reduce_fx="cat")
        self.add_state("classes", default=[], dist_reduce_fx="cat")

    def update(self, embeddings: Tensor, target: Tensor) -> None:
        self.embeddings.append(embeddings)
        self.classes.append(target)

    def compute(self) -> Tensor:
        return nearest_is_of_class(dim_zero_cat(self.embeddings), dim_zero_cat(self.classes))
