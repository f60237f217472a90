"""The convolutional trunk of early fusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from sennit.encoders.layers.images import ConvStage
from sennit.encoders.layers.unet import UNet
from sennit.encoders.types import EncoderOutput
from sennit.fusion.locations import LocationFusion


class ConvTrunk(nn.Module):
    """One convolutional net over the images of all modalities, joined pixel by pixel.

    Stages of convolutions, each of which halves the resolution, and the expansive path of a U-Net back to
    that of the first. A learned colour stands in for the pixels of an absent image.
    Source: Couprie et al. 2013, "Indoor Semantic Segmentation using depth information" (depth as a fourth
    channel), with the U-Net of Ronneberger et al. 2015 in place of their network.

    Args:
        joined: Fusion of the images at every pixel.
        width: Channels after ``joined``, of every stage and of the map.
        depth: Number of stages.

    Shape:
        maps ``[B, C_m, H, W]``, present ``[B]`` each; map ``[B, width, H/2, W/2]``, sizes rounded up.
    """

    def __init__(self, joined: LocationFusion, width: int, *, depth: int) -> None:
        super().__init__()
        self.joined = joined
        self.stages = nn.ModuleList(ConvStage(width, width) for _ in range(depth))
        self.decoder = UNet([width] * depth, width, 1)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None
    ) -> dict[str, Any]:
        x = self.joined(outputs, present)["map"]
        levels = []
        for stage in self.stages:
            x, _ = stage(x)
            levels.append(x)
        return {"map": self.decoder(levels)}
