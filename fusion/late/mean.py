"""Late mean."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._projected_base import ProjectedFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import uniform_weights
from sennit.fusion.types import FusionOutput


@register_fusion("mean")
class LateMean(ProjectedFusion):
    """The mean of the pooled vectors, mapped into one space: ``h = 1/K Σ_m (W_m x_m + b_m)``.

    The sum and K are over the present modalities, so that the scale does not change when one is absent;
    with none present the result is the mean of the b_m. ``modality_weights`` are equal over the present ones.
    Source: Kiela et al. 2018, "Efficient Large-Scale Multi-Modal Classification" (additive), as a
    mean.

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``pooled [B, embed_dim]``, ``modality_weights [B, M]``.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> LateMean(encoders, embed_dim=16)(out).pooled.shape
        torch.Size([4, 16])
    """

    stage = "late"
    fuses_maps = True

    def __init__(
        self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128, resize_maps: bool = False
    ) -> None:
        super().__init__(encoders, embed_dim=embed_dim)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        u = torch.stack(self.projected(outputs), 1)
        weights = uniform_weights(present, self.modalities, u)
        return FusionOutput(pooled=torch.einsum("bm,bmd->bd", weights, u), modality_weights=weights)
