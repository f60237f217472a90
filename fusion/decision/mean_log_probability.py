"""Mean of the candidates' log-probabilities."""

from __future__ import annotations

from torch import Tensor

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import mean_of_present
from sennit.fusion.types import Rule


@register_rule("mean_log_probability")
class MeanLogProbabilityRule(Rule):
    """``cost^y = −1/K Σ_i log p_i^y``: the mean of the candidates' cross-entropies.

    It decides as `MeanLogitRule` does, but trains every head by itself.
    Source: the product rule of Kittler et al. 1998, "On Combining Classifiers", under equal priors,
    as a mean.

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.4, 0.6]]])
        >>> MeanLogProbabilityRule().cost(p.log(), torch.ones(1, 2, dtype=torch.bool)).neg().exp()
        tensor([[0.6000, 0.2449]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates do not count."""
        return -mean_of_present(log_p, present)
