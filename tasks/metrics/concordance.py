"""The concordance index of risks and times that may be censored."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

_ROWS = 1024  # compared with all others at once


def concordance(risk: Tensor, time: Tensor, event: Tensor) -> float:
    """Return the share of comparable pairs in which the sample of the earlier event has the higher risk.

    A pair is comparable where the earlier time is that of an event, or where two times are equal and one of
    them is that of an event. Equal risks count for half. NaN without a comparable pair.

    Source: Harrell et al. 1982, "Evaluating the Yield of Medical Tests".

    Shape:
        all ``[N]``.

    Example:
        >>> concordance(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 3.0]), torch.ones(3))
        1.0
    """
    risk, time, event = risk.double().cpu(), time.double().cpu(), event.bool().cpu()
    right, pairs = 0.0, 0
    for rows in torch.split(event.nonzero().squeeze(1), _ROWS):
        later = (time > time[rows, None]) | ((time == time[rows, None]) & ~event)
        higher = risk[rows, None]
        right += float((later & (higher > risk)).sum()) + float((later & (higher == risk)).sum()) / 2
        pairs += int(later.sum())
    return right / pairs if pairs else float("nan")


class Concordance(Metric):
    """`concordance` over all batches; all values of an evaluation are kept.

    Example:
        >>> metric = Concordance()
        >>> metric.update(torch.tensor([[2.0], [1.0]]), torch.tensor([1.0, -2.0]))  # the second is censored
        >>> metric.compute()
        tensor(1., dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    risks: list[Tensor]
    times: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("risks", [], dist_reduce_fx="cat")
        self.add_state("times", [], dist_reduce_fx="cat")

    def update(self, risk: Tensor, time: Tensor) -> None:
        """Take in the risks ``[B, 1]`` and the times ``[B]``, which are negative where censored."""
        self.risks.append(risk.detach().squeeze(1))
        self.times.append(time)

    def compute(self) -> Tensor:
        risks, times = dim_zero_cat(self.risks), dim_zero_cat(self.times)
        return torch.tensor(concordance(risks, times.abs(), times > 0), dtype=torch.float64)
