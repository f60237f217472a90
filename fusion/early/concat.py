"""Early concatenation: join the inputs, reduce them, encode them with one trunk."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.layers.residual import ResidualBlock
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.early.conv_trunk import ConvTrunk
from sennit.fusion.inputs import FusionInput
from sennit.fusion.late.concat import LateConcat
from sennit.fusion.locations import LocationFusion, location_inputs
from sennit.fusion.types import FusionOutput


class ReducedConcat(PooledFusion):
    """Concatenates the input levels of the encoders, reduces them and runs one trunk.

    A subclass may select or project them in `reduced`; a linear map to ``embed_dim`` follows.

    Args:
        encoders: Encoder of each modality.
        embed_dim: Width of the trunk and of the result.
        depth: Number of residual blocks in the trunk.
        dropout: Dropout rate in the trunk.
        features: Number of features that `reduced` returns; all of them when None.

    Raises:
        ValueError: ``features`` is not between 1 and the size of all inputs, or ``depth`` is negative.
    """

    stage = "early"

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int,
        depth: int,
        dropout: float,
        features: int | None = None,
    ) -> None:
        super().__init__(encoders)
        check_at_least(0, f"fusion '{self.registry_name}'", depth=depth)
        self.embed_dim = embed_dim
        total = sum(self.dims)
        if features is not None and not 1 <= features <= total:
            raise ValueError(
                f"`features` should be from 1 to {total}, the size of all inputs. Found {features}."
            )
        self.reduce = nn.Linear(features or total, embed_dim)
        self.trunk = nn.Sequential(
            *[ResidualBlock(embed_dim, dropout=dropout) for _ in range(depth)], nn.LayerNorm(embed_dim)
        )

    def reduced(self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None) -> Tensor:
        """Return the joined inputs ``[B, features]``, before they are mapped linearly."""
        return torch.cat(self.vectors(outputs, present), 1)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        return FusionOutput(pooled=self.trunk(self.reduce(self.reduced(outputs, present))))


@register_fusion("early_concat")
class EarlyConcat(ReducedConcat):
    """Concatenates the input levels of the encoders, reduces them linearly and runs one trunk.

    ``h = trunk(W [x_1; …; x_M] + b)`` with a residual MLP as trunk. It reads
    `Encoder.input_level`, so the same encoders work with it and with any later fusion. The map comes from the
    images themselves, their channels side by side: see `ConvTrunk`.
    Source: feature-level fusion, Baltrušaitis et al. 2019, "Multimodal Machine Learning" (§5.1).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Width of the reduction, of the trunk and of the result.
        depth: Number of residual blocks in the trunk.
        dropout: Dropout rate in the trunk.
        resize_maps: Whether to resize images of another size than the first modality's; they are refused
            else.

    Shape:
        ``pooled [B, embed_dim]``; map ``[B, C, H/2, W/2]`` for images of ``[B, ..., H, W]``.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder, create_fusion
        >>> from sennit.data import View
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fused = FusedEncoder(encoders, create_fusion("early_concat", encoders, embed_dim=32))
        >>> fused(View.of({"a": torch.randn(4, 3), "b": torch.randn(4, 5)})).pooled.shape
        torch.Size([4, 32])
    """

    fuses_maps = True

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        depth: int = 2,
        dropout: float = 0.1,
        resize_maps: bool = False,
    ) -> None:
        super().__init__(encoders, embed_dim=embed_dim, depth=depth, dropout=dropout)

    def build_map_fusion(self, encoders: Mapping[str, FusionInput], width: int, *, resize: bool) -> nn.Module:
        joined = LocationFusion(LateConcat(location_inputs(encoders), embed_dim=width), resize=resize)
        return ConvTrunk(joined, width, depth=max(1, self.__dict__["_arguments"]["depth"]))
