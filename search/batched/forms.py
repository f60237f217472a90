"""The forms of operators, each for all candidates of a level at once; see `sennit.fusion.cell`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from sennit.fusion.cell import Gated
from sennit.search.batched.activate import Activate, make_runs
from sennit.search.batched.plan import Group


class Form(ABC):
    """Operators that are computed together.

    Args:
        groups: Groups of these operators, in the order of the plan.
        widths: Width of each candidate.
        state: Whether the cells also read the state of the cell before.
        device: Device of the computation.

    Attributes:
        sizes: Numbers of rows into which the rows of the groups are split.
    """

    def __init__(
        self, groups: Sequence[Group], widths: Sequence[int], *, state: bool, device: torch.device
    ) -> None:
        self.groups, self.device = list(groups), device
        self.members = [i for group in groups for i in group.members]
        self.widths = torch.tensor([float(widths[i]) for i in self.members], device=device)
        self.inputs = len(groups[0].blocks) + state
        self.sizes = [sum(group.rows for group in groups)]

    def given(self, group: Group) -> Tensor | None:
        """Return which inputs the members of a group have ``[inputs, members]``; None when they have all."""
        rows = [[block is not None for block in of_input] for of_input in group.blocks]
        rows += [[True] * len(group.members)] * (self.inputs - len(rows))
        return None if all(map(all, rows)) else torch.tensor(rows, device=self.device)

    @abstractmethod
    def __call__(self, u: Sequence[Tensor]) -> list[Tensor]:
        """Return the states, or what the activation is applied to, in the order of the members.

        Shape:
            u ``[inputs, size, B, W]`` for each of ``sizes``, results ``[members, B, W]`` in all.
        """


class Concat(Form):
    """Sums of the inputs; the activation follows."""

    def __call__(self, u: Sequence[Tensor]) -> list[Tensor]:
        return [u[0].sum(0)]


class Products(Form):
    """Hadamard products and low-rank fusion: products of the inputs; the activation follows."""

    def __call__(self, u: Sequence[Tensor]) -> list[Tensor]:
        product, *factors = (1 + u[0]).unbind(0)
        for factor in factors:
            product = product * factor
        states, first = [], 0
        for group in self.groups:
            rows = product.narrow(0, first, group.rows) - 1
            states.append(
                rows
                if group.operator.blocks == 1
                else rows.view(group.operator.blocks, -1, *rows.shape[1:]).sum(0)
            )
            first += group.rows
        return states


class Attention(Form):
    """Attention between the inputs; the activation follows."""

    def __init__(
        self, groups: Sequence[Group], widths: Sequence[int], *, state: bool, device: torch.device
    ) -> None:
        super().__init__(groups, widths, state=state, device=device)
        self.sizes = [len(self.members)] * 3
        self.scale, given = self.widths.rsqrt()[:, None], self.given(groups[0])
        self.hidden = None if given is None else ~given[:, :, None]
        every = torch.ones(self.inputs, len(self.members), device=device)
        counted = every if given is None else given.float()
        self.queries = (counted / counted.sum(0))[:, None, :, None]

    def __call__(self, u: Sequence[Tensor]) -> list[Tensor]:
        query, key, value = u
        scores = (query.unsqueeze(1) * key).sum(-1) * self.scale  # [inputs as queries, inputs as keys, ...]
        if self.hidden is not None:
            scores = scores.masked_fill(self.hidden, -math.inf)
        weights = (scores.softmax(1) * self.queries).sum(0)
        return [(weights.unsqueeze(-1) * value).sum(0)]


class Weighted(Form):
    """Sums of activated inputs, plain and with gates between the inputs."""

    def __init__(
        self, groups: Sequence[Group], widths: Sequence[int], *, state: bool, device: torch.device
    ) -> None:
        super().__init__(groups, widths, state=state, device=device)
        self.runs = make_runs(groups)
        self.gated = isinstance(groups[-1].operator, Gated)
        self.plain = len(self.members) - (len(groups[-1].members) if self.gated else 0)
        if self.gated:
            self.sizes = [len(self.members), len(self.members) - self.plain]
        given = self.given(groups[0]) if self.plain else None
        self.mask = None if given is None else given[:, :, None, None].float()
        gates = self.given(groups[-1]) if self.gated else None
        self.closed = None if gates is None else ~gates[:, :, None, None]

    def __call__(self, u: Sequence[Tensor]) -> list[Tensor]:
        activated: Tensor = Activate.apply(u[0], self.runs, False)
        states = []
        if self.plain:
            summed = activated[:, : self.plain]
            states.append((summed if self.mask is None else summed * self.mask).sum(0))
        if self.gated:
            gates = u[1] if self.closed is None else u[1].masked_fill(self.closed, -math.inf)
            states.append((gates.softmax(0) * activated[:, self.plain :]).sum(0))
        return states


class Other(Form):
    """An operator that is registered elsewhere, by its own `sennit.fusion.cell.Operator.combine`."""

    def __init__(
        self, groups: Sequence[Group], widths: Sequence[int], *, state: bool, device: torch.device
    ) -> None:
        super().__init__(groups, widths, state=state, device=device)
        given = self.given(groups[0])
        self.mask, self.runs = None if given is None else given[:, :, None], make_runs(groups)

    def __call__(self, u: Sequence[Tensor]) -> list[Tensor]:
        operator = self.groups[0].operator
        inputs, _, size, width = u[0].shape
        blocks = u[0].view(inputs, operator.blocks, -1, size, width).movedim(1, -2)

        def act(x: Tensor) -> Tensor:
            activated: Tensor = Activate.apply(x, self.runs, False)
            return activated

        return [operator.combine([blocks], self.mask, act, self.widths[:, None])]
