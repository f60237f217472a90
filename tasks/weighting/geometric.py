"""Geometric loss strategy."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sennit.tasks.weighting._base import Weighting, register_weighting

_LEAST = 1e-8


@register_weighting("geometric")
class Geometric(Weighting):
    """The geometric mean of the active tasks' losses, whose gradient does not depend on their scales.

    ``(Π_k ℓ_k)^{1/n}`` over the n active tasks. A loss below 1e-8 counts as 1e-8 and gets no gradient
    (torchjd's gradient is NaN there).
    Source: Chennupati et al. 2019, "MultiNet++" (geometric loss strategy).

    Shape:
        losses ``[K]`` of 0 or more, active ``K`` bools, result a scalar.

    Example:
        >>> import torch
        >>> Geometric()(torch.tensor([1.0, 4.0, 0.0]), (True, True, False))
        tensor(2.)
    """

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        chosen = [k for k, on in enumerate(active) if on]
        return losses[chosen].float().clamp(min=_LEAST).log().mean().exp()
