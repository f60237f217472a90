"""A small encoder of images; pretrained ones are in `sennit.encoders.image_timm`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import StagedEncoder
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.images import ConvStage, ImageEncoder, per_channel
from sennit.encoders.layers.units import PatchUnits
from sennit.encoders.taps import as_tokens, pool
from sennit.encoders.types import EncoderOutput, TapInfo


@register_encoder("conv")
class ConvEncoder(ImageEncoder, StagedEncoder):
    """A small convolutional net with a tap after each halving of the image.

    Source: plain convolutions with the GroupNorm of Wu & He, "Group Normalization", ECCV 2018.

    Args:
        in_chans: Number of channels.
        image_size: Side in pixels of the stand-in for an image that is absent from a whole batch; images
            may have any size.
        widths: Channels of each stage, shallow to deep.
        embed_dim: Size of ``pooled``; that of the last stage when None.
        grid: Parts of a side whose means ``pooled`` is a linear map of, so that it knows where something is;
            with 1 it is the mean over the image.
        mean: Value that `to_tensor` subtracts; one for all channels or one for each.
        std: Value by which `to_tensor` divides; one for all channels or one for each.
        pyramid: Decoder that makes a map of the stages, ``"fpn"`` or ``"unet"``; None for no map.
        map_width: Channels of the map.
        map_depth: Number of 3 × 3 convolutions of the decoder (at each level, in a U-Net).
        map_stride: Pixels to a step of the map: 2 for the first stage, 4 for the second, and so on; None for
            the first.

    Shape:
        ``[B, in_chans, H, W]``; pooled ``[B, embed_dim]``, tokens ``[B, H'·W', widths[-1]]``, taps
        ``[B, C, H/2ⁿ, W/2ⁿ]``, map ``[B, map_width, H/map_stride, W/map_stride]``, sizes rounded up.

    Raises:
        ValueError: An unknown pyramid, or no stage of ``map_stride``.

    Example:
        >>> import torch
        >>> encoder = ConvEncoder(1, widths=(8, 16))
        >>> encoder(torch.randn(2, 1, 28, 28)).taps["stage2"].shape
        torch.Size([2, 16, 7, 7])
        >>> encoder = ConvEncoder(1, widths=(8, 16), pyramid="unet", map_width=24)
        >>> encoder(torch.randn(2, 1, 28, 28)).map.shape
        torch.Size([2, 24, 14, 14])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("in_chans", "image_size", "widths", "embed_dim", "grid")

    def __init__(
        self,
        in_chans: int = 3,
        *,
        image_size: int = 32,
        widths: Sequence[int] = (32, 64, 128),
        embed_dim: int | None = None,
        grid: int = 1,
        mean: Sequence[float] | float = 0.5,
        std: Sequence[float] | float = 0.5,
        pyramid: str | None = None,
        map_width: int = 64,
        map_depth: int = 1,
        map_stride: int | None = None,
    ) -> None:
        super().__init__()
        self.mean, self.std = per_channel("mean", mean, in_chans), per_channel("std", std, in_chans)
        stand_in = (in_chans, image_size, image_size)
        self.input_spec = InputSpec((in_chans, None, None), stand_in=stand_in)
        self.embed_dim = widths[-1] if embed_dim is None else embed_dim
        self.token_dim = widths[-1]
        self.tap_info = tuple(TapInfo(f"stage{i + 1}", w, "BCHW") for i, w in enumerate(widths))
        before = (in_chans, *widths[:-1])
        self.stages = nn.ModuleList(ConvStage(a, b) for a, b in zip(before, widths, strict=True))
        self.grid = grid
        whole = grid == 1 and embed_dim is None
        self.head = nn.Identity() if whole else nn.Linear(widths[-1] * grid**2, self.embed_dim)
        strides = [2 ** (i + 1) for i in range(len(widths))]
        self.build_map(pyramid, widths, strides, width=map_width, depth=map_depth, stride=map_stride)

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return x, None

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        last = taps[self.tap_info[-1].name]
        levels = [taps[tap.name] for tap in self.tap_info]
        means = pool(last, "BCHW") if self.grid == 1 else F.adaptive_avg_pool2d(last, self.grid).flatten(1)
        return EncoderOutput(self.head(means), as_tokens(last, "BCHW"), taps=taps, map=self.map_of(levels))

    def token_units(self) -> PatchUnits:
        return PatchUnits(len(self.mean), 2 ** len(self.stages))
