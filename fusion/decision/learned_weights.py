"""Mean of the candidates' probabilities with learned weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import broadcast_present
from sennit.fusion.types import LearnedRule


@register_rule("learned_weights")
class LearnedWeightsRule(LearnedRule):
    """``cost^y = −log Σ_i w_i p_i^y``, ``w = softmax(a)`` over the present candidates.

    Untrained it is `MeanProbabilityRule`. Each task has weights of its own, in ``model.rules[task]``; they
    are renormalised over the modalities that a sample has.
    Source: the linear opinion pool, Genest and Zidek 1986, "Combining Probability Distributions".

    Args:
        candidates: Number of candidates.
        alternatives: Shape of the log-probabilities of a candidate; not used.

    Example:
        >>> rule = LearnedWeightsRule(2)
        >>> rule.weights(torch.tensor([[True, True], [False, True]])).tolist()
        [[0.5, 0.5], [0.0, 1.0]]
    """

    def __init__(self, candidates: int, alternatives: Sequence[int] = ()) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(candidates))

    def weights(self, present: Tensor) -> Tensor:
        """Return the weight of each candidate for each sample ``[B, K]``, 0 for an absent one."""
        return self._log_weights(present).exp()

    def _log_weights(self, present: Tensor) -> Tensor:
        return self.scores.float().expand(present.shape).masked_fill(~present, -math.inf).log_softmax(1)

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates do not count."""
        log_p = log_p.float().masked_fill(~broadcast_present(present, log_p), 0)
        return -(log_p + broadcast_present(self._log_weights(present), log_p)).logsumexp(1)
