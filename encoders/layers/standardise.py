"""Zero mean and unit variance for each feature, from statistics that are part of the model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from sennit.encoders.layers.kept_precision import KeptPrecision


class Standardise(KeptPrecision):
    """``(x - mean) / scale`` over the last axis; the identity until `fit`.

    The statistics are buffers: they are saved with the model and never change in training. A cast to half
    precision rounds neither them nor the result.

    Args:
        num_features: Size of the last axis.
        dtype: Type of the statistics; in float64 the differences between values far from zero stay.

    Shape:
        ``[..., num_features]`` to the same.

    Example:
        >>> standardise = Standardise(1)
        >>> standardise.fit(torch.tensor([[1.0], [3.0], [float("nan")]]))
        >>> standardise(torch.tensor([[4.0]])).tolist()
        [[2.0]]
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, num_features: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.least_bytes = dtype.itemsize
        self.register_buffer("mean", torch.zeros(num_features, dtype=dtype))
        self.register_buffer("scale", torch.ones(num_features, dtype=dtype))

    @torch.no_grad()
    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set the statistics from training data; NaN and padding are left out.

        A feature that never varies, as far as its type can tell, keeps the scale 1; one that is always
        missing is left unchanged. Features with values that become one number are named in a warning: in
        single precision one that varies by less than a millionth of its size, in any one that a few huge
        values stretch so that most others differ by less than a millionth of its deviation.

        Shape:
            x ``[..., num_features]``, mask as x without its last axis.

        Raises:
            ValueError: The last axis has another size, or a value is infinite.
        """
        if x.shape[-1] != len(self.mean):
            raise ValueError(
                f"`x` should have {len(self.mean)} features in its last axis. Found {(*x.shape,)}."
            )
        rows = (x if mask is None else x[mask]).double()
        rows = rows.reshape(rows.shape[:-1].numel(), len(self.mean))  # of no features, too
        infinite = rows.isinf().any(0).nonzero().flatten().tolist()
        if infinite:
            raise ValueError(
                f"`x` should be finite, or NaN where a value is missing. Found infinity in the features "
                f"{infinite}. Repair the data."
            )
        if len(rows) < 2:
            warnings.warn(
                f"statistics should be fitted on two rows or more. Found {len(rows)}, of which no feature "
                f"varies: each keeps the scale 1. Give a larger batch of training samples.",
                stacklevel=2,
            )
        measured = ~rows.isnan()
        count = measured.sum(0).clamp(min=1)
        mean = rows.nan_to_num(nan=0.0).sum(0) / count
        deviation = (torch.where(measured, rows - mean, 0.0).square().sum(0) / count).sqrt()
        exact = x.dtype == torch.float64
        if not exact:
            _warn_of_coarse(mean, deviation)
        _warn_of_stretched(rows, deviation)
        flat = deviation <= (1e-14 if exact else 1e-6) * mean.abs()
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(flat, 1.0, deviation))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale


def _warn_of_coarse(mean: Tensor, deviation: Tensor) -> None:
    """Warn of features that vary by less than a millionth of their size."""
    coarse = ((deviation < 1e-6 * mean.abs()) & (deviation > 0)).nonzero().flatten().tolist()
    for k in coarse[:1]:
        warnings.warn(
            f"a feature should vary by more than a millionth of its size, or float32 merges its values. "
            f"Found feature {k} of about {mean[k]:.9g} with a standard deviation of {deviation[k]:.3g}"
            f"{_and_more(coarse)}. Subtract a constant from it, or give float64.",
            stacklevel=3,
        )


def _warn_of_stretched(rows: Tensor, deviation: Tensor) -> None:
    """Warn of features in which a few values are so large that the others are one number beside them."""
    apart = (rows - rows.roll(max(1, len(rows) // 2), 0)).abs()
    lost = ((apart > 0) & (apart < 1e-6 * deviation)).sum(0) > 0.5 * (~rows.isnan()).sum(0)
    stretched = lost.nonzero().flatten().tolist()
    for k in stretched[:1]:
        column = rows[:, k].nan_to_num(nan=0.0)
        warnings.warn(
            f"values of a feature should be of like size, or most are one number once they are standardised. "
            f"Found feature {k} with {column[column.abs().argmax()]:.3g} beside values of about "
            f"{rows[:, k].abs().nanmedian():.3g}{_and_more(stretched)}. Correct the huge values, leave them "
            f"out, or take logarithms.",
            stacklevel=3,
        )


def _and_more(features: Sequence[int]) -> str:
    return f", and {len(features) - 1} others" if len(features) > 1 else ""
