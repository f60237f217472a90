"""From cached taps to the inputs of each level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sennit.search.batched.plan import Plan


class BlockLayout:
    """The position of each block: level by level, then the late merges, then the embeddings under a rule.

    Attributes:
        counts: Number of blocks of each tap.
        source: Block at each position, counted through all taps; the number of blocks for a missing input.
        position: Position of each block.
        sizes: Number of positions of each level, of the late merges and of the embeddings.
    """

    def __init__(self, plan: Plan, device: torch.device) -> None:
        positions: dict[tuple[str, str], dict[int, int]] = {key: {} for key in plan.layout.counts}
        self.sizes, start = [], 0
        for groups in plan.levels:
            rows, first = sum(group.rows for group in groups), start
            for group in groups:
                n = len(group.members)
                for k, of_input in enumerate(group.blocks):
                    for column, block in enumerate(of_input):
                        at = range(first + k * rows + column, first + k * rows + group.rows, n)
                        if block is not None:
                            positions[block[:2]] |= {block[2] + j: p for j, p in enumerate(at)}
                first += group.rows
            self.sizes.append(len(groups[0].blocks) * rows)
            start += self.sizes[-1]
        for table in (plan.joined, plan.embeddings):
            blocks = [block for row in table for block in row]
            for at_block, block in enumerate(blocks, start):
                if block is not None:
                    positions[block[:2]][block[2]] = at_block
            self.sizes.append(len(blocks))
            start += len(blocks)
        self.counts = [len(of_block) for of_block in positions.values()]
        in_order = [of_block[b] for of_block in positions.values() for b in range(len(of_block))]
        self.position = torch.tensor(in_order, device=device)
        self.source = torch.full((start,), len(in_order), device=device)
        self.source[self.position] = torch.arange(len(in_order), device=device)


class MapTaps(torch.autograd.Function):
    """The maps of all taps at their positions; tokens replace what is not present, zeros missing inputs.

    Shape:
        For each tap of the layout its values ``[B, d]``, or ``[blocks, B, d]`` where blocks read it by
        parameters, weights ``[blocks, d, W]``, biases and tokens ``[blocks, 1, W]``; mask ``[B]``, None where
        all are present. Result ``[positions, B, W]``.
    """

    @staticmethod
    def forward(ctx: Any, layout: BlockLayout, masks: Sequence[Tensor | None], *tensors: Tensor) -> Tensor:
        taps, weights, biases, tokens = (tensors[i::4] for i in range(4))
        size, width = taps[0].shape[-2], weights[0].shape[-1]
        u = weights[0].new_empty(sum(layout.counts) + 1, size, width)
        *rows, missing = torch.split(u, [*layout.counts, 1])
        missing.zero_()
        for out, x, mask, weight, bias, token in zip(rows, taps, masks, weights, biases, tokens, strict=True):
            torch.baddbmm(bias, x.expand(len(weight), *x.shape[-2:]), weight, out=out)
            if mask is not None:
                torch.where(mask[:, None], out, token, out=out)
        ctx.layout, ctx.masks = layout, masks
        ctx.save_for_backward(*taps, *weights)
        return u.index_select(0, layout.source)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        g, gradients_of = gradients[0].index_select(0, ctx.layout.position), list[Tensor | None]()
        saved, needed = ctx.saved_tensors, ctx.needs_input_grad[2::4]
        taps, weights, rows_of = saved[: len(needed)], saved[len(needed) :], torch.split(g, ctx.layout.counts)
        for rows, x, weight, mask, read in zip(rows_of, taps, weights, ctx.masks, needed, strict=True):
            of_token = None
            if mask is not None:
                of_token = rows.masked_fill(mask[:, None], 0).sum(1, keepdim=True)
                rows.masked_fill_(~mask[:, None], 0)
            gradients_of.append(torch.bmm(rows, weight.mT) if read else None)
            of_weight = torch.bmm(x.mT.expand(len(rows), -1, -1), rows)
            gradients_of += [of_weight, rows.sum(1, keepdim=True), of_token]
        return None, None, *gradients_of
