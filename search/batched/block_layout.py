"""From the maps of taps to the inputs of each group of candidates, and their activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sennit.fusion.cell import ACTIVATIONS
from sennit.search.batched.plan import Plan
from torch import Tensor


class BlockLayout:
    """Where each block goes: group by group, then the late merges, then the embeddings under a rule.

    Attributes:
        of_tap: By tap the places of its blocks.
        empty: BlockLayout of inputs that are not there.
        sizes: Of each group, the joins and the candidates.
    """

    def __init__(self, plan: Plan, device: torch.device) -> None:
        parts = [list(g.blocks) for groups in plan.levels for g in groups]
        wide = [g.operator.blocks for groups in plan.levels for g in groups]
        found: dict[tuple[str, str], dict[int, int]] = {key: {} for key in plan.layout.counts}
        empty: list[int] = []
        self.sizes, at = [], 0
        for rows, n in zip([*parts, plan.joined, plan.own], [*wide, 1, 1], strict=True):
            start = at
            for block in (block for row in rows for block in row):
                if block is None:
                    empty.extend(range(at, at + n))
                else:
                    found[block[:2]] |= {block[2] + k: at + k for k in range(n)}
                at += n
            self.sizes.append(at - start)
        self.of_tap = [
            torch.tensor([own[b] for b in range(len(own))], device=device) for own in found.values()
        ]
        self.empty, self.total = torch.tensor(empty, dtype=torch.long, device=device), at


class ArrangeBlocks(torch.autograd.Function):
    """Blocks into their places, by one copy each way (an `index_select` would first clear its gradient)."""

    @staticmethod
    def forward(ctx: Any, places: BlockLayout, *mapped: Tensor) -> Tensor:
        ctx.places = places
        out = mapped[0].new_empty(places.total, *mapped[0].shape[1:])
        for own, u in zip(places.of_tap, mapped, strict=True):
            out.index_copy_(0, own, u)
        return out.index_fill_(0, places.empty, 0.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *(gradients[0].index_select(0, own) for own in ctx.places.of_tap)


class Activations:
    """σ of candidates with unlike activations, over runs of the third axis from the end."""

    def __init__(self, runs: Sequence[tuple[str, int, int]]) -> None:
        self.runs = runs

    def __call__(self, x: Tensor) -> Tensor:
        if len(self.runs) == 1:
            return ACTIVATIONS[self.runs[0][0]](x)
        parts = torch.split(x, [stop - start for _, start, stop in self.runs], -3)
        own = [ACTIVATIONS[name](part) for (name, _, _), part in zip(self.runs, parts, strict=True)]
        return torch.cat(own, -3)
