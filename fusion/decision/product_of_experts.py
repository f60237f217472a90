"""Product of experts."""

from __future__ import annotations

from torch import Tensor

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import sum_of_present
from sennit.fusion.types import Rule


@register_rule("product_of_experts")
class ProductOfExpertsRule(Rule):
    """``cost^y = −log (∏_i p_i^y / Σ_c ∏_i p_i^c)``: the product of the probabilities, normalised.

    The heads learn together, on the cross-entropy of the product. Without an absent expert the product of the
    others is left.
    Source: Hinton 2002, "Training Products of Experts by Minimizing Contrastive Divergence" (eq. 1);
    over classes the sum that normalises is exact.

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5], [0.25, 0.75]]])
        >>> ProductOfExpertsRule().cost(p.log(), torch.ones(1, 3, dtype=torch.bool)).neg().exp()  # 3 to 1
        tensor([[0.7500, 0.2500]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates do not count."""
        return -sum_of_present(log_p, present).log_softmax(-1)
