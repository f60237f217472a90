"""A figure of each label over the samples in which it is known, and the mean of these figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torchmetrics import Metric


def roc_auc(score: Tensor, target: Tensor) -> float | None:
    """The area under the ROC curve; None where all samples are of one class."""
    if bool((target == target[:1]).all()):
        return None
    return float(roc_auc_score(target.numpy(), score.numpy()))


def r2(score: Tensor, target: Tensor) -> float | None:
    """The explained variance ``1 − Σ (y − ŷ)² / Σ (y − ȳ)²``; None where the target never varies."""
    spread = (target - target.mean()).square().sum()
    return None if len(target) < 2 or not spread else float(1 - (target - score).square().sum() / spread)


def mean_absolute_error(score: Tensor, target: Tensor) -> float | None:
    """None where nothing is known."""
    return float((score - target).abs().mean()) if len(target) else None


def mean_by_label(figure: Callable[[Tensor, Tensor], float | None], score: Tensor, target: Tensor) -> Tensor:
    """The mean over the labels that have a figure; NaN where none has one.

    Args:
        figure: From scores and targets of one label, in double precision on the CPU.
        score: Of each label.
        target: NaN where a label is not known.

    Shape:
        score and target ``[N, L]``; a scalar.

    Example:
        >>> nan = float("nan")
        >>> target = torch.tensor([[0.0, 1.0], [1.0, nan], [nan, 1.0]])
        >>> mean_by_label(roc_auc, torch.tensor([[0.2, 0.5], [0.9, 0.1], [0.0, 0.3]]), target)
        tensor(1.)
    """
    score, target = score.detach().cpu().double(), target.detach().cpu().double()
    known = ~target.isnan()
    found = [figure(s[k], y[k]) for s, y, k in zip(score.T, target.T, known.T, strict=True)]
    there = [value for value in found if value is not None]
    return torch.tensor(sum(there) / len(there) if there else float("nan"))


class MeanByLabel(Metric):
    """`mean_by_label` over all batches.

    Args:
        figure: As there.
    """

    full_state_update = False
    scores: list[Tensor]
    targets: list[Tensor]

    def __init__(self, figure: Callable[[Tensor, Tensor], float | None]) -> None:
        super().__init__()
        self.figure = figure
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """Of an error lower is better."""
        return self.figure is not mean_absolute_error

    def update(self, score: Tensor, target: Tensor) -> None:
        """Take in a batch; where a label is not known its target is NaN, or below 0 in whole numbers."""
        self.scores.append(score.detach())
        self.targets.append(target if target.is_floating_point() else _as_float(target))

    def compute(self) -> Any:
        return mean_by_label(self.figure, torch.cat(self.scores), torch.cat(self.targets))


def _as_float(target: Tensor) -> Tensor:
    return target.float().masked_fill(target < 0, float("nan"))
