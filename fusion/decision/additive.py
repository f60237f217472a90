"""Sum of the candidates' cross-entropies."""

from __future__ import annotations

from torch import Tensor

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import sum_of_present
from sennit.fusion.types import Rule


@register_rule("additive")
class AdditiveRule(Rule):
    """``cost^y = −Σ_i log p_i^y``: the sum of the losses of each modality's own head.

    It is `MultiplicativeRule` with β = 0, the form that the paper starts from.
    Source: K. Liu et al. 2018, "Learn to Combine Modalities in Multimodal Deep Learning",
    arXiv 1805.11730 (additive combination).

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> AdditiveRule().cost(p.log(), torch.ones(1, 2, dtype=torch.bool)).neg().exp()
        tensor([[0.4500, 0.0500]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates do not count."""
        return -sum_of_present(log_p, present)
