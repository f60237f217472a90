"""Mean of the candidates' probabilities."""

from __future__ import annotations

import math

from torch import Tensor

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import broadcast_present
from sennit.fusion.types import Rule


@register_rule("mean_probability")
class MeanProbabilityRule(Rule):
    """``cost^y = −log (1/K) Σ_i p_i^y``: the negative logarithm of the mean probability.

    Source: the sum rule of Kittler et al. 1998, "On Combining Classifiers" (eq. 11).

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> MeanProbabilityRule().cost(p.log(), torch.ones(1, 2, dtype=torch.bool)).neg().exp()
        tensor([[0.7000, 0.3000]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates do not count."""
        log_p, counted = log_p.float(), broadcast_present(present, log_p)
        total = log_p.masked_fill(~counted, -math.inf).logsumexp(1)
        return counted.sum(1).log() - total
