"""Another beginning in time."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import SeriesAugmentation, at_places, check_share, take, uniform


@register_augment("time_shift")
class TimeShift(SeriesAugmentation):
    """Moves each series in time by whole steps; the value at an end is repeated where nothing is known.

    ``y_t = x_(t - d)``, d drawn evenly from ``-share · T`` to ``share · T``.
    Source: Iwana & Uchida 2021, "An Empirical Survey of Data Augmentation for Time Series Classification with
    Neural Networks" (time domain).

    Args:
        share: Largest shift over the length of the series.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn ``shift [B]`` in steps, later when above 0.

    Raises:
        ValueError: ``share`` is not between 0 and 1, or ``x`` is not series.

    Example:
        >>> out = TimeShift(share=0.4)(torch.arange(5.0).reshape(1, 5, 1))
        >>> int(out.drawn["shift"]) == 2 - int(out.x[0, 2])
        True
    """

    def __init__(self, *, share: float = 0.1) -> None:
        super().__init__()
        check_share("share", share)
        self.share = share

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, lengths = take(x, mask, rows)
        most = (self.share * lengths).floor()
        shift = ((2 * uniform((len(taken),), generator, taken) - 1) * most).round()
        places = torch.arange(taken.shape[1], device=x.device) - shift.unsqueeze(1)
        return at_places(taken, places, lengths), {"shift": shift.long()}
