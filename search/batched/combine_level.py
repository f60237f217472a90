"""The cells of one level of all candidates, in few operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sennit.fusion import cell
from sennit.fusion.cell import Operator
from sennit.search.batched.activate import Activate, Runs, make_runs
from sennit.search.batched.forms import Attention, Concat, Form, Other, Products, Weighted
from sennit.search.batched.plan import Group


class CombineLevel:
    """Combine the inputs of all cells of one level.

    Operators of one form are computed together, and so are all activations that end a cell. An operator that
    is registered elsewhere is computed by its own `sennit.fusion.cell.Operator.combine`.

    Args:
        groups: Groups of the level, in the order of the plan.
        widths: Width of each candidate.
        state: Whether the cells also read the state of the cell before.
        device: Device of the computation.
    """

    def __init__(
        self, groups: Sequence[Group], widths: Sequence[int], *, state: bool, device: torch.device
    ) -> None:

        def make(form: type[Form], *operators: type[Operator]) -> Iterator[Form]:
            if present := [group for group in groups if type(group.operator) in operators]:
                yield form(present, widths, state=state, device=device)

        self.before_activation = [
            *make(Concat, cell.Concat),
            *make(Products, cell.Hadamard, cell.LowRank),
            *make(Attention, cell.Attention),
        ]
        self.whole = [*make(Weighted, cell.Sum, cell.Gated)]
        formed = {
            i
            for form in (*self.before_activation, *self.whole)
            for group in form.groups
            for i in group.members
        }
        self.whole += [
            Other([g], widths, state=state, device=device) for g in groups if not formed & {*g.members}
        ]
        self.runs: Runs = make_runs([g for form in self.before_activation for g in form.groups])
        self.sizes = [size for form in (*self.before_activation, *self.whole) for size in form.sizes]

    def __call__(self, u: Tensor) -> Tensor:
        """Return the states.

        Shape:
            u ``[inputs, rows, B, W]``, result ``[candidates, B, W]``.
        """
        parts = iter(torch.split(u, self.sizes, 1))

        def states(forms: Sequence[Form]) -> list[Tensor]:
            return [h for form in forms for h in form([next(parts) for _ in form.sizes])]

        before = states(self.before_activation)
        activated = [Activate.apply(join(before), self.runs, True)] if before else []
        return join([*activated, *states(self.whole)])


def join(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors one after the other."""
    return torch.cat(list(tensors)) if len(tensors) > 1 else tensors[0]
