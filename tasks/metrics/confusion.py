"""Figures of a confusion matrix that grows over batches: mean intersection over union, accuracies, kappa."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric


def confusion(predicted: Tensor, target: Tensor, classes: int) -> Tensor:
    """Return how often each class was predicted for each.

    Shape:
        predicted and target ``[N]``; result ``[C, C]``, a row for each true class.

    Example:
        >>> confusion(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2).tolist()
        [[1, 1], [0, 1]]
    """
    pairs: Tensor = torch.bincount(target * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes)


def mean_iou(matrix: Tensor) -> Tensor:
    """Return the mean over classes of ``TP / (TP + FP + FN)``; a class that never occurs does not count.

    Source: Everingham et al. 2015, "The PASCAL Visual Object Classes Challenge: A Retrospective", §4.3.

    Example:
        >>> mean_iou(torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0]])).item()
        0.5
    """
    right = matrix.diagonal().double()
    union = matrix.sum(0) + matrix.sum(1) - right
    return (right / union)[union > 0].mean()


def pixel_accuracy(matrix: Tensor) -> Tensor:
    """Return the share of places whose class is right."""
    return matrix.diagonal().sum().double() / matrix.sum()


def balanced_accuracy(matrix: Tensor) -> Tensor:
    """Return the mean over the classes that occur of the share of each that is right.

    Source: Brodersen et al. 2010, "The Balanced Accuracy and Its Posterior Distribution".

    Example:
        >>> balanced_accuracy(torch.tensor([[3, 1, 0], [0, 1, 0], [0, 0, 0]])).item()
        0.875
    """
    count = matrix.sum(1)
    return (matrix.diagonal().double() / count)[count > 0].mean()


def weighted_kappa(matrix: Tensor) -> Tensor:
    """Return Cohen's kappa with quadratic weights: ``1 − Σ wᵢⱼ Oᵢⱼ / Σ wᵢⱼ Eᵢⱼ``, ``wᵢⱼ = (i − j)²``.

    E is what rows and columns of O would hold if they were independent. It is 0 where E has no weight.

    Source: Cohen 1968, "Weighted Kappa".

    Example:
        >>> weighted_kappa(torch.tensor([[2, 0], [0, 2]])).item()
        1.0
    """
    observed = matrix.double()
    rank = torch.arange(len(matrix), device=matrix.device, dtype=torch.float64)
    weights = (rank[:, None] - rank).square()
    expected = observed.sum(1)[:, None] * observed.sum(0) / observed.sum()
    disagreement = (weights * expected).sum()
    return torch.where(disagreement > 0, 1 - (weights * observed).sum() / disagreement, 0.0)


class ConfusionFigure(Metric):
    """A figure of the confusion matrix of all places; the counts are whole numbers, hence exact.

    Args:
        figure: Function of the matrix, such as `mean_iou`.
        classes: Number of classes.

    Example:
        >>> metric = ConfusionFigure(mean_iou, 2)
        >>> metric.update(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]))
        >>> metric.compute()
        tensor(0.5000, dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    matrix: Tensor

    def __init__(self, figure: Callable[[Tensor], Tensor], classes: int) -> None:
        super().__init__()
        self.figure, self.classes = figure, classes
        self.add_state("matrix", torch.zeros(classes, classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Take in the predicted and the true class of labelled places ``[N]``."""
        self.matrix += confusion(predicted, target, self.classes)

    def compute(self) -> Tensor:
        return self.figure(self.matrix)
