"""Mean of the candidates' probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.fusion.decision._present import like
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import Rule
from torch import Tensor


class MeanRule(Rule):
    """``cost^y = −log (1/K) Σ_i p_i^y``: the negative logarithm of the mean probability.

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> MeanRule().cost(p.log(), torch.ones(1, 2, dtype=torch.bool)).neg().exp()
        tensor([[0.7000, 0.3000]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates do not count."""
        log_p, there = log_p.float(), like(present, log_p)
        total = log_p.masked_fill(~there, -math.inf).logsumexp(1)
        return there.sum(1).log() - total


@register_fusion("mean_probability")
class MeanProbability(CandidateFusion):
    """Decision fusion: the mean of the probabilities that each modality's own head gives.

    Trained on ``−log`` of the mean. A regression takes the mean of the present candidates' outputs.
    Source: the sum rule of Kittler et al. 1998, "On Combining Classifiers" (eq. 11).

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Example:
        >>> import torch; from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> MeanProbability(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.rule = MeanRule()
