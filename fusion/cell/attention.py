"""Attention between the inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sennit.fusion.cell._base import Activation, Operator, register_operator


@register_operator("attention")
class Attention(Operator):
    """``h = σ(1/K Σ_i Σ_j a_ij v_j)``, ``a_i = softmax_j(q_i · k_j / √W)``: the inputs as tokens.

    Query, key and value are the three blocks of an input.
    Source: Vaswani et al. 2017, "Attention Is All You Need" (eq. 1), one head, the mean of its outputs.

    Example:
        >>> u = torch.tensor([[[0.0], [0.0], [1.0]], [[0.0], [0.0], [3.0]]])
        >>> Attention().combine([u], None, torch.relu, 1)
        tensor([2.])
    """

    blocks = 3

    def combine(
        self, u: Sequence[Tensor], mask: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        query, key, value = torch.cat(list(u)).unbind(-2)
        scores = (query.unsqueeze(1) * key).sum(-1) / width**0.5  # [K of queries, K of keys, ...]
        if mask is None:
            weights = scores.softmax(1).mean(0)
        else:
            share = scores.masked_fill(~mask, -math.inf).softmax(1)
            weights = (share * mask.unsqueeze(1)).sum(0) / mask.sum(0)
        return act((weights.unsqueeze(-1) * value).sum(0))
