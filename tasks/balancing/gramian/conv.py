"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.tasks.balancing.gramian._rule import Rule, inner_products, register_rule
from sennit.tasks.balancing.gramian.linear import products_by_rows, rows_are_cheaper


@register_rule("ConvolutionBackward0", weight=1)
class ConvRule(Rule):
    """Convolution over one axis, two or three, with stride, dilation, padding and groups.

    The tasks lie side by side as channels of the output: one convolution gives the filters' gradients of
    all tasks. Where the batch has few positions (N) and the filters are large, the patches of the input are
    the rows of a linear map, whose inner products are cheaper; see `LinearRule`.

    Source: Rochette et al. 2019, "Efficient Per-Example Gradient Computations in Convolutional Neural
    Networks" (gradients side by side as channels), for tasks in the place of examples.

    Args:
        node: Node of the convolution. A transposed one has no rule.

    Shape:
        input ``[B, I, *S]``, grads ``[T, B, O, *S']``, gradients ``[T, O, I/groups, *K]``.
    """

    def __init__(self, node: Any) -> None:
        self.x: Tensor = node._saved_input
        self.weight: Tensor = node._saved_weight
        self.stride, self.padding = node._saved_stride, node._saved_padding
        self.dilation, self.groups = node._saved_dilation, node._saved_groups

    @classmethod
    def fits(cls, node: Any) -> bool:
        return not node._saved_transposed

    def is_shorter(self, tasks: int, shape: Sequence[int]) -> bool:
        if self.groups > 1 or len(self.stride) > 2:
            return False
        batch, channels, *positions = shape
        return rows_are_cheaper(tasks, batch * prod(positions), channels, self.weight.shape[1:].numel())

    def gradients(self, grads: Tensor) -> Tensor:
        tasks, batch, channels = grads.shape[:3]
        # Channels are ordered by group, so that each group's are together.
        apart = grads.reshape(tasks, batch, self.groups, -1, *grads.shape[3:]).movedim(0, 2)
        side_by_side = apart.reshape(batch, tasks * channels, *grads.shape[3:])
        filters = self.weight.new_empty(tasks * channels, *self.weight.shape[1:])
        options = (self.stride, self.padding, self.dilation, False, [0] * len(self.stride), self.groups)
        wanted = (False, True, False)
        given = (side_by_side, self.x, filters, None, *options, wanted)
        out: Tensor = torch.ops.aten.convolution_backward(*given)[1]
        return out.view(self.groups, tasks, -1, *out.shape[1:]).transpose(0, 1).flatten(1, 2)

    def products(self, grads: Tensor) -> Tensor:
        if not self.is_shorter(len(grads), grads.shape[1:]):
            return inner_products(self.gradients(grads))
        by_row = grads.flatten(3).movedim(2, 3).flatten(1, 2)
        return products_by_rows(self._patches(), by_row)

    def _patches(self) -> Tensor:
        """Return the input patch that each position of the output reads ``[N, I·K]``."""
        axes = len(self.stride)
        x = self.x if axes == 2 else self.x.unsqueeze(2)

        def two(options: Any, of_one: int) -> tuple[int, ...]:
            return tuple(options) if axes == 2 else (of_one, *options)

        kernel = two(self.weight.shape[2:], 1)
        patches = F.unfold(x, kernel, two(self.dilation, 1), two(self.padding, 0), two(self.stride, 1))
        return patches.transpose(1, 2).flatten(0, 1)
