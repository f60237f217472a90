"""Any pooling over time, to a vector as large as a frame."""

from __future__ import annotations

from torch import Tensor, nn

from sennit.encoders.layers.pooling._base import create_pooling


class SizedPooling(nn.Module):
    """Pooling by name; an affine map follows where its vector is larger than a frame.

    So the choice of a pooling changes no size behind it.

    Args:
        name: Name of a pooling, one of `list_poolings`.
        dim: Size of a frame and of the result.

    Shape:
        x ``[B, T, dim]``, mask ``[B, T]``, result ``[B, dim]``.

    Raises:
        ValueError: Unknown name; close matches are named.

    Example:
        >>> import torch
        >>> SizedPooling("statistics", 8)(torch.randn(2, 9, 8)).shape
        torch.Size([2, 8])
    """

    def __init__(self, name: str, dim: int) -> None:
        super().__init__()
        self.pool = create_pooling(name, dim)
        self.affine = nn.Linear(self.pool.out_dim, dim) if self.pool.out_dim != dim else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        vector = self.pool(x, mask)
        out: Tensor = vector if self.affine is None else self.affine(vector)
        return out
