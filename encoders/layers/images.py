"""The base of image encoders, and their front for early fusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder
from sennit.encoders.layers.conv_unit import conv_unit
from sennit.encoders.layers.pyramid import Pyramid
from sennit.encoders.layers.raw_images import image_to_tensor, read_image
from sennit.encoders.types import EncoderOutput


def per_channel(name: str, values: Sequence[float] | float, in_chans: int) -> tuple[float, ...]:
    """Return one value for each channel, from one value for all or one for each."""
    many = (float(values),) * in_chans if isinstance(values, (int, float)) else tuple(map(float, values))
    if len(many) != in_chans:
        raise ValueError(f"`{name}` should hold one value, or {in_chans} (`in_chans`). Found {len(many)}.")
    return many


class ImageInputLevel(Encoder):
    """Patches and a coarse grid of an image; nothing is learned.

    Args:
        in_chans: Number of channels.
        input_spec: Input specification of the encoder whose front this is.
        grid: Side of a patch in pixels; also the number of squares along a side of the coarse grid.
        with_map: Whether its map is the image itself; it has none else.

    Shape:
        ``[B, C, H, W]``; tokens ``[B, ceil(H/grid)·ceil(W/grid), C·grid²]`` (zeros past the border),
        pooled ``[B, C·grid²]``, map ``[B, C, H, W]``.
    """

    def __init__(
        self, in_chans: int, input_spec: InputSpec, *, grid: int = 8, with_map: bool = False
    ) -> None:
        super().__init__()
        self.grid = grid
        self.map_dim = in_chans if with_map else None
        self.input_spec = input_spec
        self.embed_dim = self.token_dim = in_chans * grid**2

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % self.grid, 0, -height % self.grid))
        tokens = F.unfold(padded, self.grid, stride=self.grid).transpose(1, 2)
        pooled = F.adaptive_avg_pool2d(x, self.grid).flatten(1)
        return EncoderOutput(pooled, tokens, map=None if self.map_dim is None else x)


class ConvStage(nn.Module):
    """Two convolutions, the first strided, each with GroupNorm: no image sees another."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*conv_unit(in_dim, dim, stride=2), *conv_unit(dim, dim))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return self.layers(x), mask


class ImageEncoder(Encoder):
    """Base of the encoders of images.

    Attributes:
        mean: Value subtracted from each channel.
        std: Value by which each channel is divided.
        pyramid: Decoder of the map; None without one.
    """

    raw_samples: ClassVar[str] = "a path, a PIL image or an array"
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pyramid: Pyramid | None

    def build_map(
        self,
        pyramid: str | None,
        dims: Sequence[int],
        strides: Sequence[int],
        *,
        width: int,
        depth: int,
        stride: int | None,
    ) -> None:
        """Make the decoder of the map and set ``map_dim``; both None where ``pyramid`` is; see `Pyramid`."""
        self.pyramid = None
        if pyramid is not None:
            self.pyramid = Pyramid(pyramid, dims, strides, width=width, depth=depth, stride=stride)
            self.map_dim = width

    def map_of(self, stages: Sequence[Tensor]) -> Tensor | None:
        """Return the map of the stages' outputs, shallow to deep; None without one or a reader."""
        return None if self.pyramid is None or not self.keeps_map else self.pyramid(stages)

    def load_raw(self, raw: Any) -> Any:
        """Load an image that transforms act on from a path, a PIL image or an array; see `read_image`."""
        return read_image(raw, len(self.mean))

    def to_tensor(self, raw: Any) -> Tensor:
        """Normalise an image: a path, a PIL image or an array (uint8 or floats, channels first or last)."""
        return image_to_tensor(raw, len(self.mean), self.mean, self.std)

    def input_level(self) -> Encoder:
        return ImageInputLevel(len(self.mean), self.input_spec, with_map=self.map_dim is not None)
