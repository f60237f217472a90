"""The base of image encoders, and their front for early fusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder
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

    Shape:
        ``[B, C, H, W]``; tokens ``[B, ceil(H/grid)·ceil(W/grid), C·grid²]`` (zeros past the border),
        pooled ``[B, C·grid²]``.
    """

    def __init__(self, in_chans: int, input_spec: InputSpec, *, grid: int = 8) -> None:
        super().__init__()
        self.grid = grid
        self.input_spec = input_spec
        self.embed_dim = self.token_dim = in_chans * grid**2

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % self.grid, 0, -height % self.grid))
        tokens = F.unfold(padded, self.grid, stride=self.grid).transpose(1, 2)
        return EncoderOutput(F.adaptive_avg_pool2d(x, self.grid).flatten(1), tokens)


class ConvStage(nn.Module):
    """Two convolutions, the first strided, each with GroupNorm: no image sees another."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        groups = math.gcd(8, max(dim // 4, 1), dim)
        self.layers = nn.Sequential(
            nn.Conv2d(in_dim, dim, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(groups, dim),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 3, padding=1, bias=False),
            nn.GroupNorm(groups, dim),
            nn.ReLU(),
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return self.layers(x), mask


class ImageEncoder(Encoder):
    """Base of the encoders of images.

    Attributes:
        mean: Value subtracted from each channel.
        std: Value by which each channel is divided.
    """

    raw_samples: ClassVar[str] = "a path, a PIL image or an array"
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def load_raw(self, raw: Any) -> Any:
        """Load an image that transforms act on from a path, a PIL image or an array; see `read_image`."""
        return read_image(raw, len(self.mean))

    def to_tensor(self, raw: Any) -> Tensor:
        """Normalise an image: a path, a PIL image or an array (uint8 or floats, channels first or last)."""
        return image_to_tensor(raw, len(self.mean), self.mean, self.std)

    def input_level(self) -> Encoder:
        return ImageInputLevel(len(self.mean), self.input_spec)
