"""One or several counts, or other numbers of 0 or more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import torch
from torch import Tensor

from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled.regression import Regression

if TYPE_CHECKING:
    pass

_MAX_LOG = 30.0  # of a rate over its scale


@register_task("poisson_regression")
class PoissonRegression(Regression):
    """One or several counts, of which any may be unknown; the head answers the logarithm of each rate.

    The loss is half the deviance, ``y log(y / μ) − y + μ`` with ``μ = e^output``, which differs from the
    negative log-likelihood of a Poisson distribution by what does not depend on μ.
    Source: McCullagh & Nelder 1989, "Generalized Linear Models", §6.2.

    Args:
        size: Number of values of a sample.
        scales: Typical size of each number, such as its mean, by which labels and rates are divided in the
            loss; 1 by default.
        metrics: Names of the metrics: ``"r2"``, ``"mae"``, ``"rmse"``.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size]``, target ``[B, size]`` of 0 or more, loss ``[B, size]``.

    Raises:
        ValueError: Scales for another number of values, or one that is not above 0.

    Example:
        >>> task = PoissonRegression()
        >>> task.loss(torch.tensor([[0.0]]), torch.tensor([[0.0]])), task.predict(torch.zeros(1, 1))
        (tensor([[1.]]), [{'value': [1.0]}])
    """

    kind = "poisson_regression"

    def __init__(
        self,
        size: int = 1,
        *,
        scales: Sequence[float] | None = None,
        metrics: Sequence[str] = ("mae", "r2"),
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(size, metrics=metrics, **options)
        self.scales = [1.0] * size if scales is None else list(scales)
        if len(self.scales) != size or min(self.scales) <= 0:
            raise ValueError(f"`scales` should hold {size} numbers above 0. Found {self.scales}.")

    @property
    def gaussian(self) -> bool:  # type: ignore[override]
        """Whether the loss is a squared error: it is not."""
        return False

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        y = target.float() / self._scales(output)
        log_rate = output.float().clamp(max=_MAX_LOG)
        loss: Tensor = torch.special.xlogy(y, y) - y * log_rate - y + log_rate.exp()
        return loss

    def output_for(self, target: Tensor) -> Tensor:
        """Return the logarithms of the rates."""
        return (target.float() / self._scales(target)).clamp(min=torch.finfo(torch.float32).tiny).log()

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float().clamp(max=_MAX_LOG).exp() * self._scales(logits)

    def _scales(self, output: Tensor) -> Tensor:
        return torch.tensor(self.scales, device=output.device)
