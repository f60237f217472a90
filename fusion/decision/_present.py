"""What rules share: sums over the candidates that are there."""

from __future__ import annotations

from torch import Tensor


def like(present: Tensor, log_p: Tensor) -> Tensor:
    """``present [B, K]`` with as many axes as ``log_p [B, K, ..., C]``."""
    return present.reshape(*present.shape, *[1] * (log_p.dim() - 2))


def sum_of_present(log_p: Tensor, present: Tensor) -> Tensor:
    """``Σ_i log p_i`` over the candidates that are there ``[B, ..., C]``, in fp32."""
    return log_p.float().masked_fill(~like(present, log_p), 0).sum(1)


def mean_of_present(log_p: Tensor, present: Tensor) -> Tensor:
    """``1/K Σ_i log p_i`` over the K candidates that are there ``[B, ..., C]``, in fp32."""
    return sum_of_present(log_p, present) / like(present, log_p).sum(1)
