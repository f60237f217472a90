"""Mean of the candidates' log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.fusion.decision._present import mean_of_present
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import Rule
from torch import Tensor


class MeanLogProbabilityRule(Rule):
    """``cost^y = −1/K Σ_i log p_i^y``: the mean of the candidates' cross-entropies.

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.4, 0.6]]])
        >>> MeanLogProbabilityRule().cost(p.log(), torch.ones(1, 2, dtype=torch.bool)).neg().exp()
        tensor([[0.6000, 0.2449]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates do not count."""
        return -mean_of_present(log_p, present)


@register_fusion("mean_log_probability")
class MeanLogProbability(CandidateFusion):
    """Decision fusion: the mean of the log-probabilities that each modality's own head gives.

    It decides as `MeanLogit` does, and trains otherwise: the loss is the mean of the candidates'
    cross-entropies, so that every head learns by itself. A regression takes the mean of the present
    candidates' outputs.
    Source: the product rule of Kittler et al. 1998, "On Combining Classifiers", under equal priors,
    as a mean.

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Example:
        >>> import torch; from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> MeanLogProbability(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.rule = MeanLogProbabilityRule()
