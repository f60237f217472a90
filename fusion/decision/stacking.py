"""Stacking."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import broadcast_present, sum_of_present
from sennit.fusion.types import LearnedRule


@register_rule("stacking")
class StackingRule(LearnedRule):
    """A logistic regression on the candidates' log-probabilities decides; each task has one of its own.

    ``s = b + Σ_i (W_i log p_i`` where candidate i is present, a learned ``a_i`` where it is not ``)``;
    the decision is ``softmax(s)``, and ``cost^y = −log softmax(s)^y − Σ_i log p_i^y``. As in stacking,
    each candidate learns by itself: no gradient of the regression reaches it. Untrained, with ``W_i = 1``,
    the rule decides as `ProductOfExpertsRule` does. The regression learns along with the heads, from the
    training samples. Wolpert trains it on samples that the heads have not seen: fit the model, then fit
    once more on other samples with everything frozen but ``rules``.
    Source: Wolpert 1992, "Stacked Generalization"; Ting and Witten 1999, "Issues in Stacked
    Generalization" (class probabilities, a linear model of each class), with a logistic regression.

    Args:
        candidates: Number of candidates.
        alternatives: Shape of the log-probabilities for a sample and candidate, alternatives last. Each
            label of ``(L, 2)`` has a regression of its own.

    Example:
        >>> rule, p = StackingRule(2, (2,)), torch.tensor([[[0.9, 0.1], [0.25, 0.75]]])
        >>> present = torch.ones(1, 2, dtype=torch.bool)
        >>> rule.decide(p.log(), present, rule.cost(p.log(), present)).exp().detach()  # 3 to 1
        tensor([[0.7500, 0.2500]])
    """

    passes_gradient = False

    def __init__(self, candidates: int, alternatives: Sequence[int]) -> None:
        super().__init__()
        *labels, classes = alternatives
        self.weight = nn.Parameter(torch.eye(classes).repeat(candidates, *labels, 1, 1))
        self.absent = nn.Parameter(torch.zeros(candidates, *labels, classes))
        self.bias = nn.Parameter(torch.zeros(*labels, classes))

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`."""
        return -self._log_decision(log_p, present) - sum_of_present(log_p, present)

    def decide(self, log_p: Tensor, present: Tensor, cost: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`: as the regression says."""
        return self._log_decision(log_p, present)

    def _log_decision(self, log_p: Tensor, present: Tensor) -> Tensor:
        with torch.autocast(log_p.device.type, enabled=False):
            inputs = log_p.detach().float().masked_fill(~broadcast_present(present, log_p), 0)
            scores = torch.einsum("bk...c,k...dc->b...d", inputs, self.weight.float())
            absent = torch.einsum("bk,k...->b...", (~present).float(), self.absent.float())
            return (scores + absent + self.bias.float()).log_softmax(-1)
