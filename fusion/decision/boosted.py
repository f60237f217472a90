"""Multiplicative rule in which samples that are right by a margin cost nothing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision.multiplicative import MultiplicativeRule
from sennit.fusion.types import Rule


@register_rule("boosted")
class BoostedRule(Rule):
    """``cost^y = ℓ^y · (1 − ∏_{y'≠y} [ℓ^y + δ < ℓ^y'])``, with the cost ℓ of `MultiplicativeRule`.

    A sample whose true class wins by more than δ costs nothing and gives no gradient. The decision is that of
    the multiplicative rule; β = 0 gives the boosted additive form. With label smoothing, the
    terms of the other classes remain.
    Source: K. Liu et al. 2018, "Learn to Combine Modalities in Multimodal Deep Learning",
    arXiv 1805.11730 (boosted multiplicative training).

    Args:
        beta: β ≥ 0 of `MultiplicativeRule`.
        delta: Margin δ ≥ 0 between costs, in nats; infinity gives the multiplicative rule.

    Raises:
        ValueError: β or δ is negative.

    Example:
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.6, 0.4], [0.5, 0.5]]])
        >>> BoostedRule(beta=0.0, delta=1.0).cost(p.log(), torch.ones(2, 2, dtype=torch.bool))
        tensor([[0.0000, 2.9957],
                [1.2040, 1.6094]])
    """

    def __init__(self, *, beta: float = 0.5, delta: float = 1.0) -> None:
        if not delta >= 0:
            raise ValueError(f"`delta` should be 0 or more. Found {delta}.")
        self.base, self.delta = MultiplicativeRule(beta=beta), delta

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`."""
        cost = self.base.cost(log_p, present)
        # A class without a rival wins by infinity.
        least = F.pad(cost.detach(), (0, 1), value=torch.inf).topk(2, dim=-1, largest=False).values
        best, second = least[..., :1], least[..., 1:]
        return torch.where((best + self.delta < second) & (cost == best), 0, cost)

    def decide(self, log_p: Tensor, present: Tensor, cost: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`: as the multiplicative rule does."""
        return self.base.decide(log_p, present, self.base.cost(log_p, present))
