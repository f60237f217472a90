"""Multiplicative combination of decisions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import broadcast_present
from sennit.fusion.types import Rule


@register_rule("multiplicative")
class MultiplicativeRule(Rule):
    """``cost^y = −Σ_i q_i^y log p_i^y``, ``q_i^y = [∏_{j≠i} (1 − p_j^y)]^{β/(K−1)}``.

    Unsure candidates leave the decision to the sure ones: a candidate counts less for a class of which others
    are already sure. K is the number of candidates present for the sample; with K = 1 the cost is the
    cross-entropy. The prediction is the class of least cost. Computed in fp32, in log space. β here is the
    paper's, divided by the number of *other* candidates, so that it means the same for any number of
    modalities. The form without the division, ``q_i = [∏_{j≠i} (1 − p_j)]^{β'}``, is β = β'·(K − 1): with two
    modalities the two agree. A multi-label task treats each label as two alternatives.
    Source: K. Liu et al. 2018, "Learn to Combine Modalities in Multimodal Deep Learning",
    arXiv 1805.11730 (eqs. 4-6).

    Args:
        beta: β ≥ 0, or a tensor of one for each sample ``[B]``; 0 gives the additive form ``−Σ_i log p_i^y``.
        through_weights: Whether gradients pass through q (the paper trains with q fixed).

    Raises:
        ValueError: β is negative, infinite or NaN.

    Example:
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> MultiplicativeRule(beta=1.0).cost(p.log(), torch.ones(1, 2, dtype=torch.bool))
        tensor([[0.1220, 1.7751]])
    """

    def __init__(self, *, beta: float | Tensor = 0.5, through_weights: bool = False) -> None:
        if not isinstance(beta, Tensor) and not 0 <= beta < math.inf:
            raise ValueError(f"`beta` should be finite, 0 or more. Found {beta}.")
        self.beta, self.through_weights = beta, through_weights

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates do not count."""
        log_p = log_p.float()
        counted = broadcast_present(present, log_p)
        k = counted.sum(1, keepdim=True)
        p = log_p if self.through_weights else log_p.detach()
        # log(1 - p), by the form that is exact on either side of p = 1/2; where p = 1 that of p = 1 - 1e-7.
        rest = torch.where(
            p > -math.log(2),
            (-torch.expm1(p.clamp(-math.log(2), -1e-7))).log(),
            torch.log1p(-p.clamp(max=-math.log(2)).exp()),
        ).masked_fill(~counted, 0)
        # A product with 1 - I; the sum less its own term would lose digits where that is large.
        others = 1 - torch.eye(present.shape[1], device=p.device)
        beta = self.beta.reshape(-1, *[1] * (k.dim() - 1)) if isinstance(self.beta, Tensor) else self.beta
        with torch.autocast(p.device.type, enabled=False):
            log_q = torch.einsum("ij,bj...->bi...", others, rest) * (beta / (k - 1).clamp(min=1))
        return -(log_q.exp() * log_p).masked_fill(~counted, 0).sum(1)
