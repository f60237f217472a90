"""From the maps of taps to the inputs of each group of candidates, and their activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sennit.fusion.cell import ACTIVATIONS
from sennit.search.batched.plan import Plan


class BlockLayout:
    """The position of each block: group by group, then the late merges, then the embeddings under a rule.

    Attributes:
        of_tap: Positions of the blocks of each tap.
        empty: Positions of missing inputs.
        sizes: Number of blocks of each group, of the late merges and of the embeddings.
    """

    def __init__(self, plan: Plan, device: torch.device) -> None:
        inputs = [list(group.blocks) for groups in plan.levels for group in groups]
        blocks_each = [group.operator.blocks for groups in plan.levels for group in groups]
        positions: dict[tuple[str, str], dict[int, int]] = {key: {} for key in plan.layout.counts}
        empty: list[int] = []
        self.sizes, position = [], 0
        for rows, n in zip([*inputs, plan.joined, plan.embeddings], [*blocks_each, 1, 1], strict=True):
            start = position
            for block in (block for row in rows for block in row):
                if block is None:
                    empty.extend(range(position, position + n))
                else:
                    positions[block[:2]] |= {block[2] + k: position + k for k in range(n)}
                position += n
            self.sizes.append(position - start)
        self.of_tap = [
            torch.tensor([of_block[b] for b in range(len(of_block))], device=device)
            for of_block in positions.values()
        ]
        self.empty, self.total = torch.tensor(empty, dtype=torch.long, device=device), position


class ArrangeBlocks(torch.autograd.Function):
    """A copy of blocks to their positions, and back (`index_select` would first clear its gradient)."""

    @staticmethod
    def forward(ctx: Any, layout: BlockLayout, *mapped: Tensor) -> Tensor:
        ctx.layout = layout
        out = mapped[0].new_empty(layout.total, *mapped[0].shape[1:])
        for positions, u in zip(layout.of_tap, mapped, strict=True):
            out.index_copy_(0, positions, u)
        return out.index_fill_(0, layout.empty, 0.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *(gradients[0].index_select(0, positions) for positions in ctx.layout.of_tap)


class Activations:
    """The activations of candidates that differ in them, over runs of the third axis from the end."""

    def __init__(self, runs: Sequence[tuple[str, int, int]]) -> None:
        self.runs = runs

    def __call__(self, x: Tensor) -> Tensor:
        if len(self.runs) == 1:
            return ACTIVATIONS[self.runs[0][0]](x)
        chunks = torch.split(x, [stop - start for _, start, stop in self.runs], -3)
        activated = [ACTIVATIONS[name](chunk) for (name, _, _), chunk in zip(self.runs, chunks, strict=True)]
        return torch.cat(activated, -3)
