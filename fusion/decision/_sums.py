"""Sums over the candidates that a sample has."""

from __future__ import annotations

from torch import Tensor


def broadcast_present(present: Tensor, log_p: Tensor) -> Tensor:
    """Return ``present [B, K]`` with as many axes as ``log_p [B, K, ..., C]``."""
    return present.reshape(*present.shape, *[1] * (log_p.dim() - 2))


def sum_of_present(log_p: Tensor, present: Tensor) -> Tensor:
    """Return ``Σ_i log p_i`` over the present candidates ``[B, ..., C]``, in fp32."""
    return log_p.float().masked_fill(~broadcast_present(present, log_p), 0).sum(1)


def mean_of_present(log_p: Tensor, present: Tensor) -> Tensor:
    """Return ``1/K Σ_i log p_i`` over the K present candidates ``[B, ..., C]``, in fp32."""
    return sum_of_present(log_p, present) / broadcast_present(present, log_p).sum(1)
