"""A metric of each label over the samples that have it, and the mean over labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor
from torch.nn.functional import one_hot
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


def roc_auc(score: Tensor, target: Tensor) -> float | None:
    """Return the area under the ROC curve; None where all samples are of one class."""
    if bool((target == target[:1]).all()):
        return None
    return float(roc_auc_score(target.numpy(), score.numpy()))


def average_precision(score: Tensor, target: Tensor) -> float | None:
    """Return the average precision ``Σ (Rₙ − Rₙ₋₁) Pₙ`` over thresholds; None without a positive sample."""
    if not bool((target == 1).any()):
        return None
    return float(average_precision_score(target.numpy(), score.numpy()))


def f1(score: Tensor, target: Tensor) -> float | None:
    """Return ``2 TP / (2 TP + FP + FN)`` at a threshold of .5; None where nothing is, or is called, true."""
    positive = score > 0.5
    counted = float(positive.sum() + target.sum())
    return 2 * float((positive & (target == 1)).sum()) / counted if counted else None


def log_loss(score: Tensor, target: Tensor) -> float | None:
    """Return the mean of ``−log p`` of the true value of a label, in nats; None without a label."""
    if not len(target):
        return None
    p = torch.where(target == 1, score, 1 - score).clamp(min=torch.finfo(torch.float32).tiny)
    return float(-p.log().mean())


def r2(score: Tensor, target: Tensor) -> float | None:
    """Return the explained variance ``1 − Σ (y − ŷ)² / Σ (y − ȳ)²``; None where the target never varies.

    The sums are of deviations from the data's own mean, in the precision given: sums of squares in float32
    exceed 1 for targets of 1e9 ± 1e5.
    """
    spread = (target - target.mean()).square().sum()
    return None if len(target) < 2 or not spread else float(1 - (target - score).square().sum() / spread)


def mean_absolute_error(score: Tensor, target: Tensor) -> float | None:
    """Return the mean absolute error; None without a label."""
    return float((score - target).abs().mean()) if len(target) else None


def root_mean_squared_error(score: Tensor, target: Tensor) -> float | None:
    """Return the root of the mean squared error; None without a label."""
    return float((score - target).square().mean().sqrt()) if len(target) else None


_ERRORS = (mean_absolute_error, root_mean_squared_error, log_loss)


def mean_by_label(figure: Callable[[Tensor, Tensor], float | None], score: Tensor, target: Tensor) -> Tensor:
    """Return the mean over the labels that have a value; NaN where none has one.

    Args:
        figure: Function of the scores and targets of one label, in double precision on the CPU.
        score: Scores of each label.
        target: Targets; NaN where a label is missing.

    Shape:
        score and target ``[N, L]``; a scalar.

    Example:
        >>> nan = float("nan")
        >>> target = torch.tensor([[0.0, 1.0], [1.0, nan], [nan, 1.0]])
        >>> mean_by_label(roc_auc, torch.tensor([[0.2, 0.5], [0.9, 0.1], [0.0, 0.3]]), target)
        tensor(1.)
    """
    score, target = score.detach().cpu().double(), target.detach().cpu().double()
    labelled = ~target.isnan()
    figures = [figure(s[k], y[k]) for s, y, k in zip(score.T, target.T, labelled.T, strict=True)]
    values = [value for value in figures if value is not None]
    return torch.tensor(sum(values) / len(values) if values else float("nan"))


class MeanByLabel(Metric):
    """`mean_by_label` over all batches.

    Args:
        figure: Function of the scores and targets of one label.
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
        """Whether higher is better: not for an error."""
        return self.figure not in _ERRORS

    def update(self, score: Tensor, target: Tensor) -> None:
        """Take in a batch; the target of a missing label is NaN, or negative among integers."""
        self.scores.append(score.detach())
        self.targets.append(target if target.is_floating_point() else _as_float(target))

    def compute(self) -> Any:
        # A tensor already where the states of several processes were joined.
        return mean_by_label(self.figure, dim_zero_cat(self.scores), dim_zero_cat(self.targets))


class OneAgainstRest(MeanByLabel):
    """`mean_by_label` over the classes, each against all others.

    Args:
        figure: Function of the scores and targets of one class.
        second_of_two: Whether it is that of the second class alone where there are two.

    Example:
        >>> metric = OneAgainstRest(roc_auc)
        >>> metric.update(torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]]), torch.tensor([0, 1, 1]))
        >>> metric.compute()
        tensor(1.)
    """

    def __init__(
        self, figure: Callable[[Tensor, Tensor], float | None], *, second_of_two: bool = False
    ) -> None:
        super().__init__(figure)
        self.second_of_two = second_of_two

    def update(self, score: Tensor, target: Tensor) -> None:
        """Take in a batch of the scores ``[B, C]`` and the classes ``[B]``."""
        first = 1 if self.second_of_two and score.shape[-1] == 2 else 0
        flags = one_hot(target, score.shape[-1]).to(score.dtype)
        super().update(score[:, first:], flags[:, first:])


class R2(MeanByLabel):
    """Explained variance of each output over the samples in which it is known, averaged over the outputs.

    NaN where no output has two labels that differ. All values of an evaluation are kept.

    Example:
        >>> metric = R2()
        >>> metric.update(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[1.0], [2.0], [3.0]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    def __init__(self) -> None:
        super().__init__(r2)


def _as_float(target: Tensor) -> Tensor:
    return target.float().masked_fill(target < 0, float("nan"))
