"""A slice of a series."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import SeriesAugmentation, at_places, check_share, take, uniform


@register_augment("window_slice")
class WindowSlice(SeriesAugmentation):
    """Cuts a random slice out of each series and stretches it to the length of the whole.

    ``y_t = x(b + share · t)``, the beginning b drawn evenly from 0 to ``(1 - share)(T - 1)``; between the
    steps x is linear.
    Source: Le Guennec et al. 2016, "Data Augmentation for Time Series Classification using Convolutional
    Neural Networks" (window slicing); stretched as in Iwana & Uchida 2021.

    Args:
        share: Length of the slice over that of the series.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn ``begin [B]``, the first step of the slice.

    Raises:
        ValueError: ``share`` is not between 0 and 1, or ``x`` is not series.

    Example:
        >>> part = WindowSlice(share=0.5)(torch.arange(9.0).reshape(1, 9, 1)).x.squeeze()
        >>> float(part[-1] - part[0])
        4.0
    """

    def __init__(self, *, share: float = 0.9) -> None:
        super().__init__()
        check_share("share", share)
        self.share = share

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, lengths = take(x, mask, rows)
        begin = uniform((len(taken),), generator, taken) * (1 - self.share) * (lengths - 1)
        places = begin.unsqueeze(1) + self.share * torch.arange(taken.shape[1], device=x.device)
        return at_places(taken, places, lengths), {"begin": begin}
