"""The usual figures of a depth map, summed in float64 over all places."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from sennit.registry import check_names

FIGURES = ("absolute_error", "relative_error", "rmse", "delta1", "delta2", "delta3")
"""Figures by name; the deltas are shares of places and best at 1, the others are errors."""


def depth_sums(values: Tensor, target: Tensor) -> Tensor:
    """Return the sums over places from which every figure follows, in float64.

    Relative errors and deltas are over the places whose target is above 0.

    Shape:
        values and target ``[N]``; result ``[8]``: absolute, relative and squared errors, places within
        1.25, 1.25² and 1.25³, places, places with a target above 0.
    """
    values, target = values.double(), target.double()
    error, positive = (values - target).abs(), target > 0
    depth, predicted = target[positive], values[positive]
    # A value of 0 or less is infinitely far from any depth.
    ratio = torch.where(predicted > 0, torch.maximum(predicted / depth, depth / predicted), torch.inf)
    within = [(ratio < 1.25**k).sum() for k in (1, 2, 3)]
    sums = [error.sum(), (error[positive] / depth).sum(), error.square().sum(), *within]
    count = torch.tensor(len(target), device=target.device)
    return torch.stack([x.double() for x in (*sums, count, positive.sum())])


def depth_figure(name: str, sums: Tensor) -> Tensor:
    """Return a figure, one of `FIGURES`, from the sums; NaN where there is no place.

    Source: Eigen et al. 2014, "Depth Map Prediction from a Single Image using a Multi-Scale Deep Network",
    §4.2; ``deltaK`` is the share of places with ``max(ŷ/y, y/ŷ) < 1.25^K``.

    Example:
        >>> sums = depth_sums(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0]))
        >>> [depth_figure(name, sums).item() for name in ("absolute_error", "relative_error", "delta1")]
        [0.5, 0.25, 0.5]
    """
    place = FIGURES.index(name)
    mean = sums[place] / (sums[6] if name in ("absolute_error", "rmse") else sums[7])
    return mean.sqrt() if name == "rmse" else mean


class DepthFigure(Metric):
    """A figure of depths over all places of all batches; each place weighs the same.

    Args:
        figure: Name of the figure, one of `FIGURES`.

    Raises:
        ValueError: An unknown figure.
    """

    is_differentiable = False
    full_state_update = False
    sums: Tensor

    def __init__(self, figure: str) -> None:
        super().__init__()
        check_names("figure of depths", [figure], FIGURES)
        self.figure = figure
        self.add_state("sums", torch.zeros(8, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """Whether higher is better: for the deltas."""
        return self.figure.startswith("delta")

    def update(self, values: Tensor, target: Tensor) -> None:
        """Take in predicted and true values of labelled places ``[N]``."""
        self.sums += depth_sums(values, target)

    def compute(self) -> Tensor:
        return depth_figure(self.figure, self.sums)
