"""Learned weights of the candidates' probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import LearnedCandidateFusion
from sennit.fusion.decision._present import like
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import LearnedRule
from torch import Tensor, nn


class LearnedWeightsRule(LearnedRule):
    """``cost^y = −log Σ_i w_i p_i^y``, ``w = softmax(a)`` over the candidates that are there.

    Untrained it is `MeanRule`.

    Args:
        candidates: How many there are.

    Example:
        >>> rule = LearnedWeightsRule(2)
        >>> rule.weights(torch.tensor([[True, True], [False, True]])).tolist()
        [[0.5, 0.5], [0.0, 1.0]]
    """

    def __init__(self, candidates: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(candidates))

    def weights(self, present: Tensor) -> Tensor:
        """How much each candidate counts for each sample ``[B, K]``; absent ones do not."""
        return self._log_weights(present).exp()

    def _log_weights(self, present: Tensor) -> Tensor:
        return self.scores.float().expand(present.shape).masked_fill(~present, -math.inf).log_softmax(1)

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates do not count."""
        log_p = log_p.float().masked_fill(~like(present, log_p), 0)
        return -(log_p + like(self._log_weights(present), log_p)).logsumexp(1)


@register_fusion("learned_weights")
class LearnedWeights(LearnedCandidateFusion):
    """Decision fusion: a mean of the probabilities with learned weights, for each task its own.

    See `LearnedWeightsRule`; a trained model has them in ``model.rules[task]``. They are shared out anew
    among the modalities that a sample has. A regression takes the plain mean of the present candidates'
    outputs.
    Source: the linear opinion pool, Genest and Zidek 1986, "Combining Probability Distributions".

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Example:
        >>> from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> LearnedWeights(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders, embed_dim=embed_dim)

    def build_rule(self, alternatives: Sequence[int]) -> LearnedRule:
        """See `Fusion.build_rule`."""
        return LearnedWeightsRule(self.candidates)
