"""The tensor normal distribution, never with its full covariance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def mode_product(x: Tensor, matrix: Tensor, mode: int) -> Tensor:
    """Return ``x ×_k M``: every fibre of ``x`` along one axis, multiplied by a matrix.

    Source: Kolda and Bader, "Tensor Decompositions and Applications", SIAM Review 2009, section 2.5.

    Shape:
        ``x`` ``[D_1, …, D_K]``, matrix ``[J, D_k]``, result with J in the place of D_k.

    Example:
        >>> mode_product(torch.ones(2, 3), torch.ones(4, 3), 1).shape
        torch.Size([2, 4])
    """
    product: Tensor = torch.tensordot(matrix, x, dims=([1], [mode]))
    return product.movedim(0, mode)


def whiten(x: Tensor, factor: Tensor, mode: int) -> Tensor:
    """Return ``x ×_k L^{−1}`` for a lower triangular factor L, without inverting it."""
    fibres = x.movedim(mode, 0)
    solved: Tensor = torch.linalg.solve_triangular(factor, fibres.flatten(1), upper=False)
    return solved.view(fibres.shape).movedim(0, mode)


def energy(x: Tensor, covariances: Sequence[Tensor]) -> Tensor:
    """Return ``½ vec(x)ᵀ (Σ_1 ⊗ … ⊗ Σ_K)^{−1} vec(x)``, the part of `negative_log_prior` that depends on x.

    Each Σ_k is factorised and solved on its axis: K small Cholesky factors, and never a matrix of the size
    D = ∏ D_k.

    Args:
        x: Tensor with one axis for each covariance.
        covariances: Positive definite matrix of each axis.

    Example:
        >>> energy(torch.ones(2, 3), [torch.eye(2), 2 * torch.eye(3)])
        tensor(1.5000)
    """
    for mode, covariance in enumerate(covariances):
        x = whiten(x, torch.linalg.cholesky(covariance), mode)
    return x.square().sum() / 2


def negative_log_prior(x: Tensor, covariances: Sequence[Tensor]) -> Tensor:
    """``½ vec(x)ᵀ (Σ_1 ⊗ … ⊗ Σ_K)^{−1} vec(x) + ½ Σ_k D/D_k ln|Σ_k|``, of a tensor normal of mean zero.

    This is the negative logarithm of the density less ``D/2 ln 2π``.

    Source: Long et al., "Learning Multiple Tasks with Multilinear Relationship Networks", NeurIPS 2017,
    sections 3 and 4. The logarithms of the determinants have the sign of the density.

    Args:
        x: Tensor with one axis for each covariance.
        covariances: Positive definite matrix of each axis.

    Example:
        >>> negative_log_prior(torch.ones(2, 3), [torch.eye(2), torch.eye(3)])
        tensor(3.)
    """
    determinants = [x.numel() / len(c) * torch.linalg.slogdet(c).logabsdet for c in covariances]
    return energy(x, covariances) + torch.stack(determinants).sum() / 2


def flip_flop(x: Tensor, covariances: Sequence[Tensor], *, eps: float = 0.0) -> list[Tensor]:
    """Return one round of maximum likelihood estimates of the covariances, each given the others.

    ``S_k = D_k/D · Y Yᵀ``, where Y is x whitened along all other axes, unfolded along k. It is then made
    ``(1 − ε) S_k D_k / tr S_k + ε I``. A factor may move from one covariance to another without a change,
    so only the scale of all of them together is lost with the traces.

    Source: Long et al. 2017 (as `negative_log_prior`), section 3; Manceur and Dutilleul, "Maximum
    likelihood estimation for the tensor normal distribution", J. Comput. Appl. Math. 2013.

    Args:
        x: Tensor with one axis for each covariance.
        covariances: Positive definite matrix of each axis.
        eps: Share of the identity, which keeps a covariance invertible when there is too little to
            estimate it from.

    Returns:
        New covariances of mean variance one.

    Example:
        >>> flip_flop(torch.tensor([[1.0, 0.0], [0.0, 3.0]]), [torch.eye(2), torch.eye(2)])[0]
        tensor([[0.2000, 0.0000],
                [0.0000, 1.8000]])
    """
    updated = list(covariances)
    factors = [torch.linalg.cholesky(c) for c in covariances]
    for k in range(x.dim()):
        y = x
        for mode, factor in enumerate(factors):
            y = y if mode == k else whiten(y, factor, mode)
        unfolded = y.movedim(k, 0).flatten(1)
        scatter = unfolded @ unfolded.T
        mean_variance = scatter.diagonal().mean().clamp(min=math.ldexp(1, -100))
        eye = torch.eye(len(scatter), dtype=x.dtype, device=x.device)
        updated[k] = (1 - eps) * scatter / mean_variance + eps * eye
        factors[k] = torch.linalg.cholesky(updated[k])
    return updated
