"""Late maximum."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._projected_base import ProjectedFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import FusionOutput


@register_fusion("max")
class LateMax(ProjectedFusion):
    """The elementwise maximum of the pooled vectors, mapped into one space: ``h = max_m (W_m x_m + b_m)``.

    The maximum is over the present modalities, or over all the b_m where none is present.
    ``modality_weights`` are the shares of the features that come from each modality.
    Source: Kiela et al. 2018, "Efficient Large-Scale Multi-Modal Classification" (max-pooling).

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
        >>> LateMax(encoders, embed_dim=16)(out).modality_weights.sum(1)
        tensor([1., 1., 1., 1.])
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
        if present is not None:
            mask = self.presence(present)
            counted = mask | ~mask.any(1, keepdim=True)
            u = u.masked_fill(~counted.unsqueeze(2), -math.inf)
        largest, winner = u.max(1)
        share = F.one_hot(winner, len(self.modalities)).to(u.dtype).mean(1)
        return FusionOutput(pooled=largest, modality_weights=share)
