"""Majority vote."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.fusion.decision._present import like, sum_of_present
from sennit.fusion.decision.mean import MeanRule
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import Rule
from torch import Tensor
from torch.nn import functional as F


class MajorityVoteRule(Rule):
    """Each candidate votes for its likeliest alternative; the mean probability breaks ties.

    ``p^y = (v^y + 1/K Σ_i p_i^y) / (K + 1)`` with ``v^y`` votes: K of them, and one more that is split as
    the mean probability is. So the alternative with most votes wins, and of several the one with the
    highest mean probability; of a candidate's equal alternatives the first has its vote. A vote has no
    gradient, hence the training cost ``−Σ_i log p_i^y``: every candidate learns by itself.

    Example:
        >>> p = torch.tensor([[[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]]])
        >>> rule, there = MajorityVoteRule(), torch.ones(1, 3, dtype=torch.bool)
        >>> rule.decide(p.log(), there, rule.cost(p.log(), there)).exp()  # against the mean, 0.4 to 0.6
        tensor([[0.6000, 0.4000]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates do not count."""
        return -sum_of_present(log_p, present)

    def decide(self, log_p: Tensor, present: Tensor, cost: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates have no vote."""
        there = like(present, log_p)
        votes = (F.one_hot(log_p.argmax(-1), log_p.shape[-1]) * there).sum(1).float()
        total = torch.logaddexp(votes.log(), -MeanRule().cost(log_p, present))
        return total - (there.sum(1) + 1).log()


@register_fusion("majority_vote")
class MajorityVote(CandidateFusion):
    """Decision fusion: the alternative that most modalities' own heads hold to be the likeliest.

    See `MajorityVoteRule` for ties and training. A regression takes the mean of the present candidates'
    outputs.
    Source: the majority vote rule of Kittler et al. 1998, "On Combining Classifiers".

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Example:
        >>> from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> MajorityVote(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.rule = MajorityVoteRule()
