"""Additive fusion of decisions."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.fusion.decision._present import sum_of_present
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import Rule
from torch import Tensor


class AdditiveRule(Rule):
    """``cost^y = −Σ_i log p_i^y``: the sum of the candidates' cross-entropies.

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
        >>> AdditiveRule().cost(p.log(), torch.ones(1, 2, dtype=torch.bool)).neg().exp()
        tensor([[0.4500, 0.0500]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates do not count."""
        return -sum_of_present(log_p, present)


@register_fusion("additive")
class Additive(CandidateFusion):
    """Additive decision fusion: the sum of the losses of each modality's own head.

    `Multiplicative` with β = 0: the form that the paper starts from. A regression takes the mean of the
    present candidates' outputs.
    Source: K. Liu et al. 2018, "Learn to Combine Modalities in Multimodal Deep Learning",
    arXiv 1805.11730 (additive combination).

    Args:
        encoders: By modality; each is a candidate.
        embed_dim: Size of each candidate.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Example:
        >>> import torch; from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> Additive(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.rule = AdditiveRule()
