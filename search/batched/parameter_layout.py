"""The parameters of several candidates in common tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sennit.fusion.cell.readings import Reading

Index = int | slice


@dataclass(frozen=True)
class ParameterPiece:
    """The part of a common tensor that holds a parameter of a candidate.

    Args:
        candidate: Index of the candidate.
        name: Name of the parameter.
        tensor: Name of the common tensor.
        at: Index into that tensor.
        split: Shape that the parameter is given before its axes are permuted.
        order: Permutation of these axes.
    """

    candidate: int
    name: str
    tensor: str
    at: tuple[Index, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]

    def pack(self, value: Tensor, tensor: Tensor) -> None:
        """Copy a value of the parameter's shape into the common tensor."""
        tensor[self.at].copy_(value.reshape(self.split).permute(self.order))

    def unpack(self, tensor: Tensor, shape: torch.Size) -> Tensor:
        """Return the value in the parameter's shape."""
        back = sorted(range(len(self.order)), key=self.order.__getitem__)
        return tensor[self.at].permute(back).reshape(shape)


Block = tuple[str, str, int] | None
"""First block of an input: modality, tap, number among the blocks of that tap; None for no input."""


@dataclass
class ParameterLayout:
    """The layout of the parameters of all candidates, padded with zeros to a common width.

    Attributes:
        width: Width of every block.
        shapes: Shapes of the common tensors by name.
        pieces: Position of every parameter of every candidate.
        counts: Number of blocks of each pair of a modality and a tap.
        readings: Kind of the reading of each tap that is not pooled, and which of its sets of parameters each
            block reads with.
        names: Names of each candidate's parameters by their ``id``.
    """

    width: int
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    pieces: list[ParameterPiece] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    readings: dict[tuple[str, str], tuple[type[Reading], list[int]]] = field(default_factory=dict)
    names: list[Mapping[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, candidates: Sequence[nn.Module], width: int) -> ParameterLayout:
        """Make an empty layout with the names of the candidates' parameters."""
        return cls(width, names=[{id(p): n for n, p in c.named_parameters()} for c in candidates])

    def tap(
        self, i: int, modality: str, tap: str, linear: nn.Module, token: Tensor | None, blocks: int = 1
    ) -> Block:
        """Add candidate i's map of a tap, and the token that replaces a missing one."""
        assert isinstance(linear, nn.Linear)
        first = self.counts.get((modality, tap), 0)
        self.counts[modality, tap] = first + blocks
        w, rows, base = linear.out_features // blocks, slice(first, first + blocks), tap_name(modality, tap)
        self._add(
            i,
            linear.weight,
            f"{base}.weight",
            (rows, slice(None), slice(w)),
            (blocks, w, linear.in_features),
            (0, 2, 1),
        )
        self._add(i, linear.bias, f"{base}.bias", (rows, 0, slice(w)), (blocks, w), (0, 1))
        if token is not None:
            self._add(i, token, f"{base}.token", (rows, 0, slice(w)), (blocks, w), (0, 1))
        return modality, tap, first

    def reading(self, i: int, modality: str, tap: str, reading: nn.Module, blocks: int) -> None:
        """Add the reading that the next blocks of candidate i's map of a tap share, unless it is pooled."""
        if not isinstance(reading, Reading):
            return
        base = f"{tap_name(modality, tap)}/reading"
        _, sets = self.readings.setdefault((modality, tap), (type(reading), []))
        row = sets[-1] + 1 if sets else 0
        sets.extend([row] * blocks)
        for name, parameter in reading.named_parameters(recurse=False):
            shape = tuple(parameter.shape)
            self._add(i, parameter, f"{base}.{name}", (row,), shape, tuple(range(len(shape))))
            self.shapes[f"{base}.{name}"] = (row + 1, *shape)

    def state(self, i: int, rows: slice, name: str, linear: nn.Module, blocks: int = 1) -> None:
        """Add candidate i's map of the state, whose blocks are in some rows of the tensor."""
        assert isinstance(linear, nn.Linear)
        w = linear.in_features
        at = (rows, slice(w), slice(w))
        self._add(i, linear.weight, f"{name}.weight", at, (blocks, w, w), (0, 2, 1))
        self._add(i, linear.bias, f"{name}.bias", (rows, 0, slice(w)), (blocks, w), (0, 1))

    def head(self, i: int, row: int, name: str, linear: nn.Module) -> None:
        """Add a head of candidate i."""
        assert isinstance(linear, nn.Linear)
        w, out = linear.in_features, linear.out_features
        self._add(i, linear.weight, f"{name}.weight", (row, slice(w), slice(None)), (out, w), (1, 0))
        self._add(i, linear.bias, f"{name}.bias", (row, 0), (out,), (0,))

    def _add(
        self,
        i: int,
        parameter: Tensor,
        tensor: str,
        at: tuple[Index, ...],
        split: tuple[int, ...],
        order: tuple[int, ...],
    ) -> None:
        self.pieces.append(ParameterPiece(i, self.names[i][id(parameter)], tensor, at, split, order))


def tap_name(modality: str, tap: str) -> str:
    """Return the prefix of the names of a tap's tensors."""
    return f"tap/{modality}/{tap}"
