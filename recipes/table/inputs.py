"""Inputs that stand in the table itself, and all kinds by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from sennit.encoders import Encoder
from sennit.recipes.table.input import Input
from sennit.recipes.table.inputs_of_files import AudioInput, ImageInput, SeriesInput
from sennit.recipes.table.parse import PartError
from sennit.recipes.table.row import Row


@dataclass(frozen=True, kw_only=True)
class TextInput(Input):
    """Texts.

    Args:
        column: Where they are.
        encoder: A name, or a mapping with a name and options.
    """

    kind: ClassVar[str] = "text"
    column: str
    encoder: str | dict[str, Any] = "bytes"

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def value(self, row: Row) -> Any:
        return row.text(self.column)

    def make_encoder(self) -> Encoder:
        return self._encoder()


@dataclass(frozen=True, kw_only=True)
class TableInput(Input):
    """Numbers and categories, of which any cell may be blank.

    Args:
        numbers: Columns of numbers.
        categories: Columns of categories with their values; null takes those of the training rows.
        encoder: A name, or a mapping with a name and options.
    """

    kind: ClassVar[str] = "table"
    numbers: list[str] = field(default_factory=list)
    categories: dict[str, list[str] | None] = field(default_factory=dict)
    encoder: str | dict[str, Any] = "mlp"

    def __post_init__(self) -> None:
        if not self.column_names:
            raise PartError("a table should have `numbers`, `categories` or both. Found neither.")

    @property
    def column_names(self) -> list[str]:
        return [*self.numbers, *self.categories]

    def value(self, row: Row) -> Any:
        cells: list[float | None] = [row.number(c) for c in self.numbers]
        cells += [row.choice(c, names or []) for c, names in self.categories.items()]
        return None if all(cell is None for cell in cells) else cells

    def complete(self, rows: Iterable[Row]) -> Self:
        open_ = [c for c, names in self.categories.items() if names is None]
        found: dict[str, set[str]] = {c: set() for c in open_}
        for row in rows if open_ else ():
            for c in open_:
                found[c].add(row.text(c) or "")
        return replace(self, categories=self.categories | {c: sorted(v - {""}) for c, v in found.items()})

    def make_encoder(self) -> Encoder:
        sizes = [len(names or []) for names in self.categories.values()]
        return self._encoder(num_features=len(self.column_names), categories=sizes)


INPUTS: dict[str, type[Input]] = {
    cls.kind: cls for cls in (ImageInput, AudioInput, TextInput, TableInput, SeriesInput)
}
