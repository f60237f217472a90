"""A window of a series at another speed."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.series._base import SeriesAugmentation, at_places, check_share, take, uniform


@register_augment("window_warp")
class WindowWarp(SeriesAugmentation):
    """Plays a random window of each series at half or twice the speed, and fits the whole to its length.

    A window of ``w = share · (T - 1)`` steps takes ``w / speed`` of the ``T' = T - 1 - w + w / speed`` that
    the whole then takes; ``y_t`` is the value at ``t T' / (T - 1)`` of them, linear between the steps.
    Source: Le Guennec et al. 2016, "Data Augmentation for Time Series Classification using Convolutional
    Neural Networks" (window warping).

    Args:
        share: Length of the window over that of the series.
        speeds: Slow and fast speed, one of which is drawn.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; drawn ``speed [B]``, the position in ``speeds``.

    Raises:
        ValueError: ``share`` is not between 0 and 1, a speed is not above 0, or ``x`` is not series.

    Example:
        >>> warped = WindowWarp(share=0.5)(torch.arange(9.0).reshape(1, 9, 1)).x.squeeze()
        >>> float(warped[0]), round(float(warped[-1])), bool((warped.diff() > 0).all())
        (0.0, 8, True)
    """

    def __init__(self, *, share: float = 0.1, speeds: tuple[float, float] = (0.5, 2.0)) -> None:
        super().__init__()
        check_share("share", share)
        if len(speeds) != 2 or min(speeds) <= 0:
            raise ValueError(f"`speeds` should be two numbers above 0. Found {speeds}.")
        self.share, self.speeds = share, tuple(speeds)

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken, lengths = take(x, mask, rows)
        drawn = torch.randint(2, (len(taken),), generator=generator).to(x.device, non_blocking=True)
        speed = taken.new_tensor(self.speeds)[drawn].unsqueeze(1)
        whole = (lengths - 1).to(taken.dtype).unsqueeze(1)
        window = self.share * whole
        begin = uniform((len(taken), 1), generator, taken) * (whole - window)
        longer = whole - window + window / speed
        time = torch.arange(taken.shape[1], device=x.device) * longer / whole.clamp(min=1)
        within = ((time - begin).clamp(min=0)).minimum(window / speed)
        places = time - within + within * speed
        return at_places(taken, places, lengths), {"speed": drawn}
