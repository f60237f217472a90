"""Late concatenation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import FusionOutput


@register_fusion("concat")
class LateConcat(PooledFusion):
    """Concatenates the pooled vectors and maps them linearly: ``h = W [x_1; …; x_M] + b``.

    The plain baseline that every other fusion should beat.
    Source: Baltrušaitis et al. 2019, "Multimodal Machine Learning" (§5.1).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``pooled [B, embed_dim]``.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fusion = LateConcat(encoders, embed_dim=16)
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> fusion(out).pooled.shape
        torch.Size([4, 16])
    """

    stage = "late"
    fuses_maps = True

    def __init__(
        self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128, resize_maps: bool = False
    ) -> None:
        super().__init__(encoders)
        self.embed_dim = embed_dim
        self.project = nn.Linear(sum(self.dims), embed_dim)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        return FusionOutput(pooled=self.project(torch.cat(self.vectors(outputs, present), 1)))
