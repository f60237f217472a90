"""Series with gaps and time stamps as channels that say what was observed, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def gap_channels(series: Any, times: Sequence[float] | None = None) -> Tensor:
    """Return a series without gaps, with a mask and the elapsed time of each channel beside it.

    A gap holds the last value before it, or the first of the channel; a channel without any value is 0. The
    mask is 1 where the value was observed. The elapsed time δ of a channel is the time since it was last
    observed before this step: δ₁ = 0, and δₜ = sₜ − sₜ₋₁, plus δₜ₋₁ where step t − 1 was not observed.

    Source: Che et al. 2018, "Recurrent Neural Networks for Multivariate Time Series with Missing Values",
    eq. 1–2 and the inputs of GRU-Simple.

    Args:
        series: Series; NaN marks a gap.
        times: Time stamp of each step; the number of the step when None.

    Shape:
        series ``[T, C]``, times ``[T]``; result ``[T, 3 C]``: values, masks, elapsed times.

    Units:
        Elapsed times are in the unit of ``times``, or in steps.

    Raises:
        ValueError: Another shape, infinite values, or times that do not rise.

    Example:
        >>> nan = float("nan")
        >>> gap_channels([[nan], [5.0], [nan], [nan], [7.0]], times=[0, 1, 3, 4, 8]).T.tolist()
        [[5.0, 5.0, 5.0, 5.0, 7.0], [0.0, 1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 2.0, 3.0, 7.0]]
    """
    x = np.asarray(series, dtype=np.float64)
    if x.ndim != 2 or not len(x):
        raise ValueError(f"`series` should have the shape [T, C], with a step or more. Found {x.shape}.")
    if np.isinf(x).any():
        raise ValueError("`series` should hold finite values, and NaN in gaps. Found infinity.")
    stamps = np.arange(len(x), dtype=np.float64) if times is None else np.asarray(times, dtype=np.float64)
    if stamps.shape != (len(x),) or not np.isfinite(stamps).all() or (np.diff(stamps) <= 0).any():
        raise ValueError(
            f"`times` should hold a time for each of the {len(x)} steps, each later than the one before. "
            f"Found {stamps[:5].tolist()}, of the shape {stamps.shape}. Sort the steps, and join those of "
            f"one time."
        )
    observed = ~np.isnan(x)
    steps = np.arange(len(x))[:, None]
    last = np.maximum.accumulate(np.where(observed, steps, -1), 0)  # the last step with a value, so far
    values = np.take_along_axis(x, np.where(last < 0, observed.argmax(0), last), 0)
    before = np.concatenate([np.zeros_like(last[:1]), np.maximum(last[:-1], 0)])
    elapsed = stamps[:, None] - stamps[before]
    parts = [np.nan_to_num(values), observed, elapsed]
    return torch.from_numpy(np.concatenate(parts, 1).astype(np.float32))
