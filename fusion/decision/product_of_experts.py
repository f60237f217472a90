"""Product of experts."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.fusion._base import register_fusion
from sennit.fusion.decision._candidates import CandidateFusion
from sennit.fusion.decision._present import sum_of_present
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import Rule
from torch import Tensor


class ProductOfExpertsRule(Rule):
    """``cost^y = −log (∏_i p_i^y / Σ_c ∏_i p_i^c)``: the product of the probabilities, normalised.

    Example:
        >>> import torch
        >>> p = torch.tensor([[[0.9, 0.1], [0.5, 0.5], [0.25, 0.75]]])
        >>> ProductOfExpertsRule().cost(p.log(), torch.ones(1, 3, dtype=torch.bool)).neg().exp()  # 3 to 1
        tensor([[0.7500, 0.2500]])
    """

    def cost(self, log_p: Tensor, present: Tensor) -> Tensor:
        """See `sennit.fusion.types.Rule`; absent candidates do not count."""
        return -sum_of_present(log_p, present).log_softmax(-1)


@register_fusion("product_of_experts")
class ProductOfExperts(CandidateFusion):
    """Decision fusion: the product of the probabilities that each modality's own head gives, normalised.

    Trained on the cross-entropy of the product. An absent expert says nothing: what is left is the
    product of the others. A regression, whose experts give no variances, takes the mean of the present
    candidates' outputs.
    Source: Hinton 2002, "Training Products of Experts by Minimizing Contrastive Divergence" (eq. 1);
    over classes the sum that normalises is exact.

    Args:
        encoders: By modality; each is an expert.
        embed_dim: Size of each candidate.

    Shape:
        ``candidates [B, M, embed_dim]``.

    Example:
        >>> import torch; from sennit.encoders import EncoderOutput, create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> ProductOfExperts(encoders, embed_dim=16)(out).candidates.shape
        torch.Size([4, 2, 16])
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.rule = ProductOfExpertsRule()
