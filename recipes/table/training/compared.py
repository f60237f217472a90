"""Vectors of sound, series, pictures and cells, which a kernel compares; nothing in them is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.layers.frame_statistics import FrameStatistics
from sennit.encoders.layers.kept_frames import kept_frames
from sennit.encoders.layers.voice_frames import VoiceFrames

_CEPSTRA, _PARTS = 20, 8
_CELLS, _ANGLES, _SIDE, _LEVELS = 8, 9, 8, 4
_LEAST = 1e-6


class Compared(nn.Module):
    """Base of the vectors that a kernel compares.

    Args:
        **options: Plain values from which it is made again.

    Attributes:
        kind: Name of its kind in a saved model.
        sizes: Sizes of the vectors, in the order in which they are joined.
    """

    kind: ClassVar[str]
    sizes: tuple[int, ...]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the vectors of each row, joined: ``[B, sum(sizes)]``, NaN where a cell is missing."""
        raise NotImplementedError


class ComparedSound(Compared):
    """Statistics of the cepstra and the pitch of a recording, as `sound_statistics` has them.

    Shape:
        ``[B, T]``, mask ``[B, T]``; result ``[B, F]``.
    """

    kind: ClassVar[str] = "audio"

    def __init__(self, *, sample_rate: int) -> None:
        super().__init__(sample_rate=sample_rate)
        self.frames = VoiceFrames(sample_rate, n_mfcc=_CEPSTRA)
        self.statistics = FrameStatistics(self.frames.dim, parts=_PARTS)
        self.sizes = (self.statistics.out_dim,)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        # The key of `sound_statistics`, which then reads the same frames.
        key = (self.frames.sample_rate, self.frames.dim)
        out: Tensor = self.statistics(*kept_frames(self.frames, key, x, mask))
        return out


class ComparedSeries(Compared):
    """Statistics of the steps of a series and of their differences.

    Shape:
        ``[B, T, C]``, mask ``[B, T]``; result ``[B, F]``.
    """

    kind: ClassVar[str] = "series"

    def __init__(self, *, channels: int) -> None:
        super().__init__(channels=channels)
        self.statistics = FrameStatistics(2 * channels, parts=_PARTS)
        self.sizes = (self.statistics.out_dim,)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        slopes = F.pad(x.diff(dim=1), (0, 0, 1, 0))
        out: Tensor = self.statistics(torch.cat([x, slopes], 2), mask)
        return out


class ComparedPicture(Compared):
    """Directions of the edges in each of 8 × 8 cells, the picture at 8 × 8 pixels, and shares of 64 colours.

    Source: Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005, normalised
    over the whole picture; Swain & Ballard, "Color Indexing", IJCV 1991. Shares are compared by their roots.

    Args:
        mean: Value that the encoder subtracted from each channel.
        std: Value by which it divided.

    Shape:
        ``[B, C, H, W]``; result ``[B, F]``.
    """

    kind: ClassVar[str] = "image"

    def __init__(self, *, mean: list[float], std: list[float]) -> None:
        super().__init__(mean=mean, std=std)
        self.register_buffer("shift", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(std).view(-1, 1, 1), persistent=False)
        self.sizes = (_ANGLES * _CELLS**2, len(mean) * _SIDE**2, _LEVELS ** min(3, len(mean)))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x * self.get_buffer("scale") + self.get_buffer("shift")
        small = F.adaptive_avg_pool2d(x, _SIDE).flatten(1)
        return torch.cat([_edges(x.mean(1)), small, _colours(x[:, :3])], 1)


def _edges(x: Tensor) -> Tensor:
    """Return the root of the share of each direction in each cell, of pictures ``[B, H, W]``."""
    dy, dx = torch.gradient(x, dim=(1, 2))
    size = torch.hypot(dx, dy)
    angle = torch.atan2(dy, dx).remainder(math.pi) * (_ANGLES / math.pi)
    lower = angle.floor().long() % _ANGLES
    part = angle - angle.floor()
    maps = x.new_zeros(len(x), _ANGLES, *x.shape[1:])
    maps.scatter_add_(1, lower.unsqueeze(1), (size * (1 - part)).unsqueeze(1))
    maps.scatter_add_(1, (lower.unsqueeze(1) + 1) % _ANGLES, (size * part).unsqueeze(1))
    cells = F.adaptive_avg_pool2d(maps, _CELLS).flatten(1)
    return torch.sqrt(cells / cells.norm(dim=1, keepdim=True).clamp_min(_LEAST))


def _colours(x: Tensor) -> Tensor:
    """Return the root of the share of each colour, of four levels a channel, in pictures ``[B, C, H, W]``."""
    levels = (x * _LEVELS).long().clamp(0, _LEVELS - 1)
    code = sum(levels[:, k] * _LEVELS**k for k in range(x.shape[1]))
    assert isinstance(code, Tensor)
    shares = x.new_zeros(len(x), _LEVELS ** x.shape[1])
    code = code.flatten(1)
    return shares.scatter_add_(1, code, torch.full_like(code, 1 / code.shape[1], dtype=x.dtype)).sqrt()


class ComparedCells(Compared):
    """Numbers of a table, and its categories one by one.

    Args:
        numbers: Number of columns of numbers, which come first.
        categories: Number of values of each further column.

    Shape:
        ``[B, columns]``, NaN where missing; result ``[B, F]``.
    """

    kind: ClassVar[str] = "table"

    def __init__(self, *, numbers: int, categories: list[int]) -> None:
        super().__init__(numbers=numbers, categories=categories)
        self.numbers, self.categories = numbers, categories
        self.sizes = (numbers + sum(categories),)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        parts = [x[:, : self.numbers]]
        for k, size in enumerate(self.categories):
            code = x[:, self.numbers + k]
            one_by_one = F.one_hot(code.nan_to_num(nan=0.0).long(), size).to(x.dtype)
            parts.append(one_by_one.masked_fill(code.isnan().unsqueeze(1), torch.nan))
        return torch.cat(parts, 1)


COMPARED: Mapping[str, type[Compared]] = {
    part.kind: part for part in (ComparedSound, ComparedSeries, ComparedPicture, ComparedCells)
}
"""Classes by kind."""
