"""The time until an event, which may not have happened yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor

from sennit.data.target_spec import TargetSpec
from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.options import TaskOptions

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

SURVIVAL_METRICS = ("concordance",)
"""Names of the metrics of times until an event."""
_TIES = ("efron", "breslow")
_LEAST = -700.0  # of a logarithm of a double


@register_task("survival")
class Survival(Task):
    """The time until an event by Cox's model: the head answers the logarithm η of a sample's hazard ratio.

    The loss of a sample with an event is ``log Σ_{j: t_j ≥ t_i} e^{η_j} − η_i``, and 0 for a censored one;
    of d events at one time the m-th (m = 0 … d − 1) subtracts ``m/d`` of the sum of theirs (Efron), each
    counting for the mean of these. The samples at risk are **those of the batch** (and of one rank): large
    batches, of 64 samples or more, come nearer to the partial likelihood of the data, whose hazard ratios
    are found all the same. Only the order of the times counts.
    Source: Cox 1972, "Regression Models and Life-Tables"; Efron 1977, "The Efficiency of Cox's Likelihood
    Function for Censored Data"; Breslow 1974; Kvamme et al. 2019, "Time-to-Event Prediction with Neural
    Networks and Cox Regression", §3.2, on the risk sets of batches.

    Args:
        ties: ``"efron"`` or ``"breslow"``, which subtracts nothing.
        metrics: Names of the metrics: ``"concordance"``, Harrell's index.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, 1]``; target ``[B]``: the time above 0 of an event, or, negative, that at which the
        sample was last seen without it; loss ``[B]``.

    Example:
        >>> task = Survival()
        >>> task.loss(torch.zeros(3, 1), torch.tensor([1.0, -2.0, 3.0])).exp()  # 3 at risk, and 1
        tensor([3., 1., 1.])
    """

    kind = "survival"
    batchwise = True

    def __init__(
        self,
        *,
        ties: str = "efron",
        metrics: Sequence[str] = ("concordance",),
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        check_names("value of `ties`", [ties], _TIES)
        check_names("metric", metrics, SURVIVAL_METRICS)
        self.ties, self.metric_names = ties, tuple(metrics)
        self.out_dim, self.target = 1, TargetSpec(())

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        with torch.autocast(output.device.type, enabled=False):
            risk = output.double().squeeze(1)
            time, event = target.double().abs(), target > 0
            highest = risk.detach().max() if len(risk) else risk.sum()
            ratio = (risk - highest).clamp(min=_LEAST).exp()  # above 0, as its logarithm is taken
            at_risk = (time >= time[:, None]).double() @ ratio
            breslow = self.ties == "breslow"
            log_sum = at_risk.log() if breslow else self._efron(at_risk, ratio, time, event)
            return torch.where(event, log_sum + highest - risk, 0.0).float()

    def _efron(self, at_risk: Tensor, ratio: Tensor, time: Tensor, event: Tensor) -> Tensor:
        """Return the mean over the events at each sample's time of the logarithm of their risk sets."""
        together = (time == time[:, None]) & event
        count = together.sum(1).clamp(min=1)
        tied = together.double() @ ratio
        share = torch.arange(int(count.max()) if len(count) else 1, device=time.device) / count[:, None]
        valid = share < 1
        sums = at_risk[:, None] - share * tied[:, None]
        return torch.where(valid, sums.where(valid, sums.new_ones(())).log(), 0.0).sum(1) / count

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the squared difference of the log hazard ratios."""
        return (student.float() - teacher.detach().float()).square().mean(-1)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection

        from sennit.tasks.metrics.concordance import Concordance

        return MetricCollection({"concordance": Concordance()})

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the concordance index."""
        from sennit.tasks.metrics.concordance import concordance

        return concordance(output[labelled, 0], target[labelled].abs(), target[labelled] > 0)

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float()

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        return [{"value": row} for row in logits.float().tolist()]
