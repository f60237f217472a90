"""Product of an affine map of each modality, each of which starts about one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class FactorProduct(nn.ModuleList):
    """``∏_m (W_m x_m + b_m)``, every ``b_m`` one at first.

    From biases about zero each modality would learn through the product of all others: noise at first, and
    the smaller the more they are. From one, the terms of single modalities are as large as in a sum.

    Args:
        dims: Size of each modality's vector.
        out: Size of the product.

    Shape:
        vectors ``[B, D_m]`` each, result ``[B, out]``.

    Example:
        >>> import torch
        >>> FactorProduct([2, 3], 4)([torch.zeros(1, 2), torch.zeros(1, 3)]).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """

    def __init__(self, dims: Sequence[int], out: int) -> None:
        factors = [nn.Linear(d, out) for d in dims]
        for factor in factors:
            nn.init.ones_(factor.bias)
        super().__init__(factors)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        product: Tensor
        product, *others = (factor(x) for factor, x in zip(self, vectors, strict=True))
        for factor in others:  # not `prod`, whose backward searches for zeros
            product = product * factor
        return product
