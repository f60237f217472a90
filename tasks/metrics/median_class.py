"""The median of classes that have an order."""

from __future__ import annotations

from torch import Tensor


def median_class(p: Tensor) -> Tensor:
    """Return the lowest class that the probability of being at most reaches one half.

    Shape:
        p ``[B, C]``, result ``[B]``.

    Example:
        >>> import torch
        >>> median_class(torch.tensor([[0.4, 0.2, 0.4]])).tolist()
        [1]
    """
    return (p.double().cumsum(-1) < 0.5).sum(-1).clamp(max=p.shape[-1] - 1)
