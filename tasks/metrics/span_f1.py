"""F1 of spans as a metric of torchmetrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from sennit.tasks.metrics.spans import TagKinds, packed, span_ends, tag_kinds


class SpanF1(Metric):
    """F1 of whole spans: one counts as right if its kind and both its ends are.

    Spans are read strictly as IOB2: each begins with B-, and an I- behind another tag than those of its kind
    is of no span. The script of the shared task (conlleval) begins a span there, so that it counts
    predictions of that kind otherwise; for tags that are well formed both agree. 0 without any span.

    Source: Tjong Kim Sang and Buchholz, "Introduction to the CoNLL-2000 Shared Task: Chunking", 2000, §4.

    Args:
        classes: Names of the classes: ``O``, ``B-<kind>``, ``I-<kind>``.
        ignore: Target of a token that does not count. It is passed over, as the later sub-words of a word
            are.
        options: Options of torchmetrics.

    Raises:
        ValueError: A class has another name.

    Example:
        >>> metric = SpanF1(["O", "B-NP", "I-NP"])
        >>> scores = torch.eye(3)[torch.tensor([[1, 2, 0, 1]])].movedim(-1, 1)
        >>> metric.update(scores, torch.tensor([[1, 2, 0, 0]]))
        >>> metric.compute()
        tensor(0.6667)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    right: Tensor
    predicted: Tensor
    true: Tensor

    def __init__(self, classes: Sequence[str], *, ignore: int = -100, **options: Any) -> None:
        super().__init__(**options)
        kinds = tag_kinds(classes)
        if kinds is None:
            raise ValueError(f"`classes` should be O, B-<kind> and I-<kind>. Found {list(classes)}.")
        self.kinds, self.ignore = kinds, ignore
        for state in ("right", "predicted", "true"):
            self.add_state(state, default=torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, scores: Tensor, target: Tensor) -> None:
        """Take in a batch.

        Shape:
            scores ``[B, C, T]``, target ``[B, T]``.
        """
        right, predicted, true = span_counts(
            scores.argmax(1), target.clamp(min=0), target != self.ignore, self.kinds
        )
        self.right += right
        self.predicted += predicted
        self.true += true

    def compute(self) -> Tensor:
        return 2 * self.right / (self.predicted + self.true).clamp(min=1)


def span_counts(
    tags: Tensor, target: Tensor, valid: Tensor, kinds: TagKinds
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the number of spans that are right, of those predicted and of the true ones.

    Shape:
        tags, target and valid ``[B, T]``, results scalars.
    """
    valid, tags, target = packed(valid, tags, target)
    ends, true_ends = span_ends(tags, valid, kinds), span_ends(target, valid, kinds)
    kind = kinds.kind.to(tags.device)
    same = (ends >= 0) & (ends == true_ends) & (kind[tags] == kind[target])
    return same.sum(), (ends >= 0).sum(), (true_ends >= 0).sum()
