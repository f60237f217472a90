"""Embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sennit.tasks.balancing.gramian._rule import Rule, inner_products, register_rule


@register_rule("EmbeddingBackward0", weight=0)
class EmbeddingRule(Rule):
    """The rows of a table that the batch looks up; the others have no gradient.

    A row's gradient is the sum over its look-ups. Over the rows r that occur,
    ``G_st = Σ_r ⟨Σ_{i: k_i = r} d_si, Σ_{j: k_j = r} d_tj⟩``.

    Source: the definition of the gradient of a table.

    Args:
        node: Node of the look-up. One that divides by a row's frequency has no rule.

    Shape:
        indices ``[...]``, grads ``[T, ..., D]``, gradients ``[T, V, D]``.
    """

    def __init__(self, node: Any) -> None:
        self.indices: Tensor = node._saved_indices
        self.padding: int = node._saved_padding_idx
        self.size: int = node._saved_weight_sym_argsize_0
        self.sparse: bool = node._saved_sparse

    @classmethod
    def fits(cls, node: Any) -> bool:
        return not node._saved_scale_grad_by_freq

    def is_shorter(self, tasks: int, shape: Sequence[int]) -> bool:
        return True  # shorter than forming gradients of the whole table

    def gradients(self, grads: Tensor) -> Tensor:
        rows, of_rows = self._looked_up(grads)
        return grads.new_zeros(len(grads), self.size, grads.shape[-1]).index_copy_(1, rows, of_rows)

    def products(self, grads: Tensor) -> Tensor:
        return inner_products(self._looked_up(grads)[1])

    def _looked_up(self, grads: Tensor) -> tuple[Tensor, Tensor]:
        """Return the R rows that occur, and their gradients ``[T, R, D]``."""
        rows, place = torch.unique(self.indices.flatten(), return_inverse=True)
        out = grads.new_zeros(grads.shape[0], rows.shape[0], grads.shape[-1])
        out.index_add_(1, place, grads.reshape(grads.shape[0], -1, grads.shape[-1]))
        return rows, out.masked_fill_((rows == self.padding).unsqueeze(1), 0)
