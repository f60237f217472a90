"""The base class of rules that solve for the weights on the CPU, in double precision."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sennit.tasks.balancing._base import Balancing

Array = NDArray[np.float64]


class GramianRule(Balancing):
    """A rule whose solver reads the Gramian on the CPU: one copy there, and one of the weights back.

    A single task has nothing to be balanced against: its weight is 1. A Gramian that is not finite gives
    weights of 1, so that the step is as it would have been without balancing, and a gradient scaler can
    detect it. A subclass defines `solve`.
    """

    def weights(self, gramian: Tensor) -> Tensor:
        products = gramian.detach().to("cpu", torch.float64).numpy()
        if len(products) == 1 or not np.isfinite(products).all():
            return gramian.new_ones(len(gramian))
        # Rounding in the dtype in which the Gramian was summed; smaller numbers carry no information.
        rounding = len(products) * torch.finfo(gramian.dtype).eps
        return torch.from_numpy(self.solve((products + products.T) / 2, rounding)).to(gramian)

    def solve(self, gramian: Array, rounding: float) -> Array:
        """Return the weights ``[T]`` of two tasks or more.

        Args:
            gramian: Symmetric Gramian, in double precision.
            rounding: Relative error that its entries may have.
        """
        raise NotImplementedError


def norms_and_cosines(gramian: Array) -> tuple[Array, Array]:
    """Return the lengths of the gradients ``[T]`` and their cosines ``[T, T]``, 0 for a zero gradient.

    A rule that works on both is as exact for a task whose gradient is a millionth of another's.
    """
    norms = np.sqrt(gramian.diagonal().clip(min=0))
    inverse = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    cosines = (inverse[:, None] * gramian * inverse).clip(-1, 1)
    np.fill_diagonal(cosines, norms > 0)
    return norms, cosines


def directions(cosines: Array, rounding: float) -> Array:
    """Return vectors ``[R, T]``, one a column, with these cosines; R is the rank.

    Eigenvalues within rounding are left out: a few of them are negative, and no vectors have such products.
    """
    values, vectors = np.linalg.eigh(cosines)
    kept = values > rounding * max(values[-1], 0)
    rows: Array = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    return rows
