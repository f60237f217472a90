"""Explained variance that is right far from zero, as a metric of torchmetrics."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class R2(Metric):
    """Explained variance ``1 − Σ (y − ŷ)² / Σ (y − ȳ)²``, averaged over the outputs; NaN below two samples.

    Sums are of float64 deviations from the data's own mean: sums of squares in float32 exceed 1 for targets
    of 1e9 ± 1e5. An output whose target never varies counts 1 where it is met exactly, else 0. All values of
    an evaluation are kept.

    Example:
        >>> metric = R2()
        >>> metric.update(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[1.0], [2.0], [3.0]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    values: list[Tensor]
    targets: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("values", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def update(self, values: Tensor, target: Tensor) -> None:
        """Take in a batch.

        Shape:
            values and target ``[B]`` or ``[B, D]``.
        """
        self.values.append(values.detach())
        self.targets.append(target)

    def compute(self) -> Tensor:
        values, target = (dim_zero_cat(x).cpu().double() for x in (self.values, self.targets))
        if len(target) < 2:
            return torch.tensor(float("nan"))
        error = (target - values).square().sum(0)
        spread = (target - target.mean(0)).square().sum(0)
        constant = torch.where(error == 0, 1.0, 0.0)
        return torch.where(spread > 0, 1 - error / spread, constant).mean().float()
