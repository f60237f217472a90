"""The usual figures of angles between predicted and true directions, in degrees."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from sennit.registry import check_names

WITHIN = {"within_11": 11.25, "within_22": 22.5, "within_30": 30.0}
"""Limits in degrees of the figures that are shares of places."""
FIGURES = ("mean_angle", "median_angle", *WITHIN)
"""Figures by name; shares are best at 1, the others are in degrees."""
_BINS_A_DEGREE = 100


def angles(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle in degrees between vectors of any length, in float64.

    It is ``atan2(|a × b|, a · b)``: the arc cosine in float32 is off by .02° near 0.

    Shape:
        a and b ``[N, 3]``; result ``[N]``.

    Example:
        >>> angles(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 2.0, 0.0]])).item()
        90.0
    """
    a, b = a.double(), b.double()
    return torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(-1)).rad2deg()


def angle_sums(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums from which every figure follows, and how many angles lie in each 0.01°.

    Shape:
        angle ``[N]``; sums ``[5]``, float64: the angles, places within each limit, places; counts
        ``[18000]``.
    """
    within = [(angle < limit).sum() for limit in WITHIN.values()]
    count = torch.tensor(len(angle), device=angle.device)
    bins = (angle.nan_to_num(180.0) * _BINS_A_DEGREE).long().clamp(max=180 * _BINS_A_DEGREE - 1)
    sums = torch.stack([x.double() for x in (angle.sum(), *within, count)])
    return sums, torch.bincount(bins, minlength=180 * _BINS_A_DEGREE)


def angle_figure(name: str, sums: Tensor, counts: Tensor) -> Tensor:
    """Return a figure, one of `FIGURES`, from the sums and counts; the median is right to 0.01°.

    Source: Fouhey et al. 2013, "Data-Driven 3D Primitives for Single Image Understanding", §4.

    Example:
        >>> sums = angle_sums(torch.tensor([10.0, 20.0, 60.0]))
        >>> [round(angle_figure(name, *sums).item(), 2) for name in ("mean_angle", "median_angle")]
        [30.0, 20.0]
    """
    if name != "median_angle":
        return sums[1 + list(WITHIN).index(name) if name in WITHIN else 0] / sums[-1]
    total = int(sums[-1])
    if not total:
        return sums[-1] / 0
    ranks = torch.tensor([(total + 1) // 2, total // 2 + 1], device=counts.device)
    return (torch.searchsorted(counts.cumsum(0), ranks).double().mean() + 0.5) / _BINS_A_DEGREE


class AngleFigure(Metric):
    """A figure of the angles over all places of all batches, in memory that does not grow.

    Args:
        figure: Name of the figure, one of `FIGURES`.

    Raises:
        ValueError: An unknown figure.
    """

    is_differentiable = False
    full_state_update = False
    sums: Tensor
    counts: Tensor

    def __init__(self, figure: str) -> None:
        super().__init__()
        check_names("figure of angles", [figure], FIGURES)
        self.figure = figure
        self.add_state("sums", torch.zeros(5, dtype=torch.float64), dist_reduce_fx="sum")
        nothing = torch.zeros(180 * _BINS_A_DEGREE, dtype=torch.long)
        self.add_state("counts", nothing, dist_reduce_fx="sum")

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        """Whether higher is better: for the shares within a limit."""
        return self.figure in WITHIN

    def update(self, vectors: Tensor, target: Tensor) -> None:
        """Take in predicted and true vectors of labelled places ``[N, 3]``."""
        sums, counts = angle_sums(angles(vectors, target))
        self.sums += sums
        self.counts += counts

    def compute(self) -> Tensor:
        return angle_figure(self.figure, self.sums, self.counts)
