"""Stacking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import LearnedCandidateFusion
from sennit.fusion.decision._present import like, sum_of_present
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import LearnedRule
from torch import Tensor, nn


class StackingRule(LearnedRule):
    """A logistic regression on the candidates' log-probabilities decides.

    ``s = b + Σ_i (W_i log p_i`` where candidate i is there, a learned ``a_i`` where it is not ``)``;
    the decision is ``softmax(s)``, and ``cost^y = −log softmax(s)^y − Σ_i log p_i^y``. As in stacking,
    each candidate learns by itself: no gradient of the regression reaches it. Untrained, with ``W_i = 1``,
    the rule decides as `ProductOfExpertsRule` does.

    Args:
        candidates: How many there are.
        alternatives: Shape of the log-probabilities for a sample and candidate, alternatives last. Each
            label of ``(L, 2)`` has a regression of its own.

    Example:
        >>> rule, p = StackingRule(2, (2,)), torch.tensor([[[0.9, 0.1], [0.25, 0.75]]])
        >>> there = torch.ones(1, 2, dtype=torch.bool)
        >>> rule.decide(p.log(), there, rule.cost(p.log(), there)).exp().detach()  # 3 to 1
        tensor([[0.7500, 0.2500]])
    """

    def __init__(self, candidates: int, alternatives: Sequence[int]) -> None:
        super().__init__()
        *labels, classes = alternatives
        self.weight = nn.Parameter(torch.eye(classes).repeat(candidates, *labels, 1, 1))
        self.absent = nn.Parameter(torch.zeros(candidates, *labels, classes))
        self.bias = nn.Parameter(torch.zeros(*labels, classes))

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`."""
        return -self._log_decision(log_p, present) - sum_of_present(log_p, present)

    def decide(self, log_p: Tensor, present: Tensor, cost: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`: what the regression says."""
        return self._log_decision(log_p, present)

    def _log_decision(self, log_p: Tensor, present: Tensor) -> Tensor:
        with torch.autocast(log_p.device.type, enabled=False):
            seen = log_p.detach().float().masked_fill(~like(present, log_p), 0)
            scores = torch.einsum("bk...c,k...dc->b...d", seen, self.weight.float())
            absent = torch.einsum("bk,k...->b...", (~present).float(), self.absent.float())
            return (scores + absent + self.bias.float()).log_softmax(-1)


@register_fusion("stacking")
class Stacking(LearnedCandidateFusion):
    """Decision fusion: a small meta-learner on the log-probabilities of each modality's own head.

    See `StackingRule`; each task has its own. The meta-learner learns along with the heads, from the
    training samples. Wolpert trains it on samples that the heads have not seen: fit the model, then fit
    once more on other samples with everything frozen but ``rules``. A regression takes the mean of the
    present candidates' outputs.
    Source: Wolpert 1992, "Stacked Generalization"; Ting and Witten 1999, "Issues in Stacked
    Generalization" (class probabilities, a linear model of each class), with a logistic regression.

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Example:
        >>> from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> Stacking(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders, embed_dim=embed_dim)

    def build_rule(self, alternatives: Sequence[int]) -> LearnedRule:
        """See `Fusion.build_rule`."""
        return StackingRule(self.candidates, alternatives)
