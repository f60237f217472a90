"""Masked stretches of time and bands of frequency."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from sennit.data.masking import masked_mean


class SpecAugment(nn.Module):
    """Hides random stretches of frames and bands of features behind each recording's mean.

    The width of each is drawn from 0 to its largest, its position among the valid frames. It acts in any mode
    of the module. The paper's time warping, which helped least there, is left out.
    Source: Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
    Recognition" (§2).

    Args:
        time_masks: Number of stretches of time in a recording.
        time_width: Most frames of a stretch (the paper's T).
        time_share: Largest share of a recording that a stretch takes (p).
        bands: Number of bands of features in a recording.
        band_width: Most features of a band (F).

    Shape:
        frames ``[B, T, F]``, mask ``[B, T]``, result ``[B, T, F]``.

    Raises:
        ValueError: A number is below 0, or ``time_share`` above 1; a band is wider than the features.

    Example:
        >>> hidden = SpecAugment(time_width=5, band_width=3)(torch.randn(2, 100, 24))
        >>> hidden.shape
        torch.Size([2, 100, 24])
    """

    def __init__(
        self,
        *,
        time_masks: int = 2,
        time_width: int = 20,
        time_share: float = 0.2,
        bands: int = 1,
        band_width: int = 4,
    ) -> None:
        super().__init__()
        if min(time_masks, time_width, bands, band_width, time_share) < 0 or time_share > 1:
            raise ValueError(
                f"`time_masks`, `time_width`, `bands` and `band_width` should be 0 or more, and `time_share` "
                f"from 0 to 1. Found {(time_masks, time_width, bands, band_width, time_share)}."
            )
        self.time_masks, self.time_width, self.time_share = time_masks, time_width, time_share
        self.bands, self.band_width = bands, band_width

    def forward(
        self, frames: Tensor, mask: Tensor | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        batch, time, features = frames.shape
        if self.band_width > features:
            raise ValueError(
                f"`band_width` should be at most the {features} features. Found {self.band_width}."
            )
        valid = torch.ones(batch, time, dtype=torch.bool, device=frames.device) if mask is None else mask
        length = valid.sum(1)
        longest = (length * self.time_share).long().clamp_max(self.time_width)
        hidden = spans(self.time_masks, longest, length, valid.cumsum(1) - 1, generator) & valid
        widest, size = (torch.full_like(length, n) for n in (self.band_width, features))
        band = spans(self.bands, widest, size, torch.arange(features, device=frames.device), generator)
        behind = hidden.unsqueeze(2) | (band.unsqueeze(1) & valid.unsqueeze(2))
        with torch.autocast(frames.device.type, enabled=False):
            mean = masked_mean(frames.float(), mask).to(frames.dtype)
        return torch.where(behind, mean.unsqueeze(1), frames)


def spans(count: int, widest: Tensor, size: Tensor, place: Tensor, generator: Generator | None) -> Tensor:
    """Return whether each place is within one of several random spans.

    Args:
        count: Number of spans of each row.
        widest: Largest width of a span of each row.
        size: Number of places of each row among which a span lies.
        place: Places.
        generator: Random generator on the CPU; the process's own when None.

    Shape:
        widest and size ``[B]``, place ``[places]`` or ``[B, places]``, result ``[B, places]``.
    """
    drawn = torch.rand(2, len(size), count, generator=generator).to(size.device, non_blocking=True)
    width = (drawn[0] * (widest.unsqueeze(1) + 1)).long()
    start = (drawn[1] * (size.unsqueeze(1) - width + 1)).long()
    place = place.expand(len(size), -1).unsqueeze(2)
    return ((place >= start.unsqueeze(1)) & (place < (start + width).unsqueeze(1))).any(2)
