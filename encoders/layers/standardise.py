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

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))

    @torch.no_grad()
    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set the statistics from training data; NaN and padding are left out.

        A feature that never varies keeps the scale 1; one that is always missing is left unchanged. One that
        varies by less than a millionth of its size is named in a warning.

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
        measured = ~rows.isnan()
        count = measured.sum(0).clamp(min=1)
        mean = rows.nan_to_num(nan=0.0).sum(0) / count
        variance = torch.where(measured, rows - mean, 0.0).square().sum(0) / count
        warn_of_coarse(mean, variance.sqrt())
        flat = variance <= 1e-12 * (1 + mean.square())
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(flat, 1.0, variance.sqrt()))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale


def warn_of_coarse(mean: Tensor, deviation: Tensor, names: Sequence[str] = ()) -> None:
    """Warn of features that vary by less than a millionth of their size, as float32 merges their values.

    Args:
        mean: Mean of each feature.
        deviation: Standard deviation of each feature.
        names: Names of the features.

    Shape:
        both ``[F]``.
    """
    coarse = ((deviation < 1e-6 * mean.abs()) & (deviation > 0)).nonzero().flatten().tolist()
    for k in coarse[:1]:
        warnings.warn(
            f"a feature should vary by more than a millionth of its size, or float32 merges its values. "
            f"Found {names[k] if names else f'feature {k}'} of about {mean[k]:.9g} with a standard deviation "
            f"of {deviation[k]:.3g}"
            f"{f', and {len(coarse) - 1} others' if len(coarse) > 1 else ''}. Subtract a constant from it.",
            stacklevel=3,
        )
