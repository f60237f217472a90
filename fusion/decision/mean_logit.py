"""Mean of the candidates' logits."""

from __future__ import annotations

from torch import Tensor

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import mean_of_present
from sennit.fusion.types import Rule


@register_rule("mean_logit")
class MeanLogitRule(Rule):
    """``cost^y = −log softmax(1/K Σ_i z_i)^y``: the cross-entropy of the mean logits.

    The heads learn together. The probabilities are the geometric mean of the candidates', normalised.
    Log-probabilities serve as logits z, since a constant added to a candidate's logits does not change their
    softmax.
    Source: the logarithmic opinion pool, Genest and Zidek 1986, "Combining Probability
    Distributions", with equal weights.

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> MeanLogitRule().cost(p.log(), torch.ones(1, 2, dtype=torch.bool)).neg().exp()  # 3 to 1
        tensor([[0.7500, 0.2500]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates do not count."""
        return -mean_of_present(log_p, present).log_softmax(-1)
