"""Decoders of a feature pyramid: an image encoder's stages as one map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from sennit.encoders.layers.fpn import FPN
from sennit.encoders.layers.unet import UNet
from sennit.registry import unknown_name

PYRAMIDS: Mapping[str, type[FPN | UNet]] = {"fpn": FPN, "unet": UNet}
"""Decoders by name: the values of the option ``pyramid`` of image encoders."""


class Pyramid(nn.Module):
    """A decoder over the stages of an image encoder, from those of a stride to the deepest.

    Args:
        name: Name of the decoder, one of `PYRAMIDS`.
        dims: Channels of each stage, shallow to deep.
        strides: Pixels of the image to a step of each stage, shallow to deep.
        width: Channels of the map.
        depth: Number of 3 × 3 convolutions (at each level, in a U-Net).
        stride: Pixels of the image to a step of the map, one of ``strides``; their smallest when None.

    Shape:
        ``[B, dims[l], H_l, W_l]`` for each stage to ``[B, width, H, W]`` of the stage of that stride.

    Raises:
        ValueError: An unknown name, a width or depth below 1, or no stage of that stride.
    """

    def __init__(
        self,
        name: str,
        dims: Sequence[int],
        strides: Sequence[int],
        *,
        width: int,
        depth: int,
        stride: int | None,
    ) -> None:
        super().__init__()
        if name not in PYRAMIDS:
            raise unknown_name("pyramid", name, PYRAMIDS)
        for option, value in (("map_width", width), ("map_depth", depth)):
            if value < 1:
                raise ValueError(f"`{option}` should be 1 or more. Found {value}.")
        if stride is not None and stride not in strides:
            raise ValueError(
                f"`map_stride` should be the stride of a stage, one of {sorted(set(strides))}. Found "
                f"{stride}."
            )
        self.first = 0 if stride is None else strides.index(stride)
        self.decoder = PYRAMIDS[name](dims[self.first :], width, depth)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        out: Tensor = self.decoder(stages[self.first :])
        return out
