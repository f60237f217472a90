"""Statistics of the frames of a recording."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sennit.data.masking import masked_mean, zero_padding

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class FrameStatistics(nn.Module):
    """Mean, standard deviation, quantiles, means in equal parts, and the logarithm of the number of frames.

    A quantile q is the frame of rank ``⌊q (n - 1)⌋`` of n. Part k of K holds the frames from ``⌊k n / K⌋``
    to before ``⌊(k + 1) n / K⌋``, one at least.

    Source: functionals of Eyben et al., "openSMILE", ACM Multimedia 2010.

    Args:
        dim: Size of a frame.
        parts: Number of parts.

    Shape:
        frames ``[B, T, dim]``, mask ``[B, T]`` (padding at the end); result ``[B, (7 + parts)·dim + 1]``.

    Example:
        >>> frames = torch.tensor([[[1.0], [2.0], [3.0], [6.0]]])
        >>> FrameStatistics(1, parts=2)(frames)[0, [0, 4, 7, 8]].tolist()
        [3.0, 2.0, 1.5, 4.5]
    """

    def __init__(self, dim: int, *, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.out_dim = (2 + len(QUANTILES) + parts) * dim + 1

    def forward(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        batch, time, dim = frames.shape
        length = frames.new_full((batch,), time) if mask is None else mask.sum(1)
        length = length.long().clamp(min=1)
        mean = masked_mean(zero_padding(frames, mask), mask)
        deviation = masked_mean(zero_padding((frames - mean.unsqueeze(1)).square(), mask), mask).sqrt()
        padded = frames if mask is None else frames.masked_fill(~mask.unsqueeze(2), torch.inf)
        ordered = padded.sort(1).values
        ranks = [(q * (length - 1)).long() for q in QUANTILES]
        quantiles = [_at(ordered, rank).nan_to_num(posinf=0.0) for rank in ranks]
        sums = torch.cat([frames.new_zeros(batch, 1, dim), zero_padding(frames, mask).cumsum(1)], 1)
        means = []
        for k in range(self.parts):
            first = k * length // self.parts
            last = torch.maximum((k + 1) * length // self.parts, first + 1)
            means.append((_at(sums, last) - _at(sums, first)) / (last - first).unsqueeze(1))
        duration = length.to(frames.dtype).log().unsqueeze(1)
        return torch.cat([mean, deviation, *quantiles, *means, duration], 1)


def _at(x: Tensor, place: Tensor) -> Tensor:
    """Return the step of each row at a place of its own."""
    return x.gather(1, place[:, None, None].expand(-1, 1, x.shape[2])).squeeze(1)
