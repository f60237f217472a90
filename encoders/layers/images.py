"""What the image encoders share: reading raw images, and the front for early fusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from encoders._base import Encoder
from encoders._extras import require
from encoders.types import EncoderOutput, InputSpec


def image_to_tensor(raw: Any, in_chans: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """A raw image as normalised floats, channels first.

    Args:
        raw: A PIL image, or an array or tensor ``[H, W, C]``, ``[C, H, W]`` or (for one channel)
            ``[H, W]``; uint8 from 0 to 255, or floats from 0 to 1.
        in_chans: Number of channels wanted; a PIL image is converted to it.
        mean: Subtracted, one value a channel.
        std: Divided by, one value a channel.

    Shape:
        Result ``[in_chans, H, W]``.

    Raises:
        ValueError: The channels are not ``in_chans``, or the values are neither uint8 nor floats.

    Example:
        >>> image_to_tensor(np.full((2, 2, 3), 255, np.uint8), 3, (0.5,) * 3, (0.5,) * 3)[0].tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    if hasattr(raw, "convert"):
        raw = np.array(raw.convert("L") if in_chans == 1 else raw.convert("RGB") if in_chans == 3 else raw)
    x = torch.as_tensor(raw)
    if x.dim() == 2:
        x = x.unsqueeze(0)
    if x.dim() != 3 or in_chans not in (x.shape[0], x.shape[-1]):
        raise ValueError(
            f"an image should have {in_chans} channels, first or last. Found shape {(*x.shape,)}. "
            f"Convert it, or make the encoder with `in_chans` to match."
        )
    if x.shape[0] != in_chans:
        x = x.movedim(-1, 0)
    if x.dtype == torch.uint8:
        x = x.float() / 255
    elif not x.is_floating_point():
        raise ValueError(f"an image should hold uint8 (0 to 255) or floats (0 to 1). Found {x.dtype}.")
    return (x.float() - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)


def read_image(raw: Any, in_chans: int) -> Any:
    """The path of an image as a PIL image, in grey or RGB; other values as they are.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not an image; the file is named.
    """
    if not isinstance(raw, (str, Path)):
        return raw
    pillow = require("PIL.Image", "image")
    try:
        with pillow.open(raw) as image:
            return image.convert({1: "L", 3: "RGB"}.get(in_chans))
    except FileNotFoundError:
        raise FileNotFoundError(f"no image '{raw}'. Is the path relative to another folder?") from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f"'{raw}' cannot be read as an image ({error}). Is it empty or damaged?") from None


def per_channel(name: str, values: Sequence[float] | float, in_chans: int) -> tuple[float, ...]:
    """One value a channel, of one value for all or of as many."""
    many = (float(values),) * in_chans if isinstance(values, (int, float)) else tuple(map(float, values))
    if len(many) != in_chans:
        raise ValueError(f"`{name}` should hold one value, or {in_chans} (`in_chans`). Found {len(many)}.")
    return many


class ImageInputLevel(Encoder):
    """An image as its patches and as a coarse grid; nothing is learned.

    Args:
        in_chans: Number of channels.
        input_spec: That of the encoder whose front this is.
        grid: Side of a patch in pixels, and number of cells along a side of the coarse grid.

    Shape:
        ``[B, C, H, W]``; tokens ``[B, ceil(H/grid)·ceil(W/grid), C·grid²]`` (zeros past the border),
        pooled ``[B, C·grid²]``.
    """

    def __init__(self, in_chans: int, input_spec: InputSpec, *, grid: int = 8) -> None:
        super().__init__()
        self.grid = grid
        self.input_spec = input_spec
        self.embed_dim = self.token_dim = in_chans * grid**2
        self.tap_info = ()

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
    """What the encoders of images have in common."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def read(self, raw: Any) -> Any:
        """The path of an image as a PIL image with the encoder's channels; other values as they are."""
        return read_image(raw, len(self.mean))

    def preprocess(self, raw: Any) -> Tensor:
        """A path, a PIL image or an array (uint8 or floats, channels first or last), normalised."""
        return image_to_tensor(self.read(raw), len(self.mean), self.mean, self.std)

    def input_level(self) -> Encoder:
        return ImageInputLevel(len(self.mean), self.input_spec)
