"""Majority vote."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.fusion.decision._base import register_rule
from sennit.fusion.decision._sums import broadcast_present, sum_of_present
from sennit.fusion.decision.mean_probability import MeanProbabilityRule
from sennit.fusion.types import Rule


@register_rule("majority_vote")
class MajorityVoteRule(Rule):
    """Each candidate votes for its likeliest alternative; the mean probability breaks ties.

    ``p^y = (v^y + 1/K Σ_i p_i^y) / (K + 1)`` with ``v^y`` votes: K of them, and one more that is split as
    the mean probability is. So the alternative with most votes wins, and of several the one with the
    highest mean probability. A candidate with equal alternatives votes for the first. A vote has no
    gradient, hence the training cost ``−Σ_i log p_i^y``: every candidate learns by itself.
    Source: the majority vote rule of Kittler et al. 1998, "On Combining Classifiers".

    Example:
        >>> p = torch.tensor([[[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]]])
        >>> rule, present = MajorityVoteRule(), torch.ones(1, 3, dtype=torch.bool)
        >>> rule.decide(p.log(), present, rule.cost(p.log(), present)).exp()  # against the mean, 0.4 to 0.6
        tensor([[0.6000, 0.4000]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates do not count."""
        return -sum_of_present(log_p, present)

    def decide(self, log_p: Tensor, present: Tensor, cost: Tensor) -> Tensor:
        """See `sennit.fusion.Rule`; absent candidates have no vote."""
        voting = broadcast_present(present, log_p)
        votes = (F.one_hot(log_p.argmax(-1), log_p.shape[-1]) * voting).sum(1).float()
        total = torch.logaddexp(votes.log(), -MeanProbabilityRule().cost(log_p, present))
        return total - (voting.sum(1) + 1).log()
