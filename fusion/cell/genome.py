"""The structure of a fusion in cells, in canonical form: the result of a search."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

MERGES = ("early", "intermediate", "late", "decision", "multiplicative")
EMBEDDING = "pooled"  # an encoder's final vector, beside its taps


@dataclass(frozen=True)
class Cell:
    """One layer of fusion: ``h_l = σ(operator(taps, h_{l−1}))``.

    Args:
        inputs: Pairs of a modality and the name of its tap, in the order of the modalities; other modalities
            are not read. Every cell but the first also reads the state of the cell before. A tap is pooled
            over its axis, unless its name ends in a `Reading`: ``"stage2:attention"``.
        operator: Operator that combines the inputs, one of `sennit.fusion.cell.list_operators`.
        activation: Activation σ, one of `sennit.fusion.cell.ACTIVATIONS`.
        skip: Whether the state of the cell before is added to the result.
    """

    inputs: tuple[tuple[str, str], ...]
    operator: str = "concat"
    activation: str = "relu"
    skip: bool = False


@dataclass(frozen=True)
class Genome:
    """The structure of a fusion. `Space.decode` makes it canonical, so that equal networks compare equal.

    Args:
        modalities: All modalities of the problem, in order; the cells may leave some out.
        cells: Cells from first to last; at least one.
        width: Width of every state.
        merge: Place where predictions merge. ``"early"``: the first cell alone reads taps.
            ``"intermediate"``: every cell may. ``"late"``: the state is joined with the embedding of each
            modality in use by one more linear map. ``"decision"`` and ``"multiplicative"``: the state and
            each of those embeddings are candidates with heads of their own, under `MeanProbabilityRule` or
            `MultiplicativeRule`.
        beta: β of the multiplicative rule; None for the other merges.
        reads: Index of the cell that each task reads; tasks that are not named read the last.

    Example:
        >>> genome = Genome(("a", "b"), (Cell((("a", "1"), ("b", "1"))), Cell((("b", "pooled"),))), width=32)
        >>> genome == Genome.from_json(genome.to_json())
        True
        >>> genome.unused, genome.key
        ((), '70fc606aefbb')
    """

    modalities: tuple[str, ...]
    cells: tuple[Cell, ...]
    width: int
    merge: str = "intermediate"
    beta: float | None = None
    reads: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.cells:
            raise ValueError("a genome should have at least one cell. Found none.")
        if self.merge not in MERGES:
            raise ValueError(f"`merge` should be one of {MERGES}. Found {self.merge!r}.")
        if (self.beta is None) == (self.merge == "multiplicative"):
            raise ValueError(
                f"`beta` belongs to the merge 'multiplicative' alone. Found {self.beta} with '{self.merge}'."
            )
        if not self.cells[0].inputs:
            raise ValueError("the first cell of a genome should read at least one tap. Found none.")
        for task, place in self.reads.items():
            if not 0 <= place < len(self.cells):
                raise ValueError(
                    f"task '{task}' should read a cell from 0 to {len(self.cells) - 1}. Found {place}."
                )

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def used(self) -> tuple[str, ...]:
        """Modalities that a cell reads."""
        read = {m for cell in self.cells for m, _ in cell.inputs}
        return tuple(m for m in self.modalities if m in read)

    @property
    def unused(self) -> tuple[str, ...]:
        """Modalities that the genome leaves out."""
        return tuple(m for m in self.modalities if m not in self.used)

    @cached_property
    def key(self) -> str:
        """Hash of the genome: twelve hexadecimal digits, the same on every machine."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def to_json(self) -> str:
        """Return one line of JSON, keys in a fixed order."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Genome:
        """Return the genome of a dictionary made by `to_dict`, or of JSON read back.

        Raises:
            ValueError: A key is missing or unknown.
        """
        try:
            cells = [
                Cell(**{**cell, "inputs": tuple((m, tap) for m, tap in cell["inputs"])})
                for cell in values["cells"]
            ]
            rest = {k: v for k, v in values.items() if k not in ("cells", "modalities")}
            return cls(tuple(values["modalities"]), tuple(cells), **rest)
        except (KeyError, TypeError, AttributeError):
            raise ValueError(
                f"this should be the dictionary of a genome, as `to_dict` returns it. Found {values!r:.200}."
            ) from None

    @classmethod
    def from_json(cls, text: str) -> Genome:
        """Return the genome of a line of `to_json`.

        Raises:
            ValueError: The text is no JSON, or no genome.
        """
        try:
            values = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            raise ValueError(f"`text` should be a line of `Genome.to_json`. Found {text!r:.200}.") from None
        return cls.from_dict(values)


def chain(
    modalities: Sequence[str], taps: Mapping[str, Sequence[str]], *, width: int, operator: str = "concat"
) -> Genome:
    """Return a plain genome: a cell for each tap of the shallowest encoder, each reading every modality.

    Encoders of unlike depth are aligned at their deepest taps.

    Example:
        >>> [cell.inputs for cell in chain("ab", {"a": ["1", "2"], "b": ["x"]}, width=8).cells]
        [(('a', '2'), ('b', 'x'))]
    """
    depth = min(len(taps[m]) for m in modalities)
    levels = [tuple((m, taps[m][level - depth]) for m in modalities) for level in range(depth)]
    return Genome(tuple(modalities), tuple(Cell(inputs, operator) for inputs in levels), width)
