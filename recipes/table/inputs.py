"""Inputs: the columns that each kind reads, as which raw value, and into which encoder.

Here are the kinds whose values stand in the table itself; `file_inputs` has images, sound and series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from torch import Tensor

from sennit.data import Transforms
from sennit.encoders import ENCODERS, Encoder, create_encoder
from sennit.recipes.table.rows import Rows, row_value


@dataclass(frozen=True, kw_only=True)
class Input:
    """Base of the kinds of input.

    Attributes:
        kind: Name of the kind in a schema.
        file: Whether its column names files.
        column_names: Columns that it reads.
    """

    kind: ClassVar[str]
    file: ClassVar[bool] = False
    encoder: str | dict[str, Any]

    @property
    def column_names(self) -> list[str]:
        raise NotImplementedError

    def read(self, rows: Rows) -> Sequence[Any]:
        """Return the raw value of each row; None where blank, a `BadCell` where it cannot be used."""
        raise NotImplementedError

    def load(self, value: Any) -> Any:
        """Return a raw value as ``model.predict`` takes it; files may be opened."""
        return value

    def complete(self, rows: Rows) -> Self:
        """Return a copy in which everything undeclared is taken from training rows."""
        return self

    def check_file(self, file: Any, *, decode: bool) -> str | None:
        """Refuse a file that cannot be read.

        Args:
            file: File that a cell names.
            decode: Whether to read it to the end rather than its header only.

        Returns:
            A remark about the file, if there is one to make.
        """
        return None

    def check_ready(self, x: Tensor) -> None:
        """Refuse a preprocessed value that is too short for the encoder.

        Raises:
            ValueError: It is too short.
        """

    def make_encoder(self) -> Encoder:
        raise NotImplementedError

    def make_transforms(self) -> Transforms | None:
        """Return the transforms of raw values, or None without any."""
        return None

    def _encoder(self, **offered: Any) -> Encoder:
        """Make the chosen encoder with those of the offered options that it accepts."""
        options = dict(self.encoder) if isinstance(self.encoder, dict) else {"name": self.encoder}
        if "name" not in options:
            raise ValueError(f"`encoder` should have a 'name'. Found {options}.")
        name = options.pop("name")
        accepted = ENCODERS.signature(name).parameters
        return create_encoder(name, **{k: v for k, v in offered.items() if k in accepted} | options)


@dataclass(frozen=True, kw_only=True)
class ColumnInput(Input):
    """Base of the kinds that read one column."""

    column: str

    @property
    def column_names(self) -> list[str]:
        return [self.column]


@dataclass(frozen=True, kw_only=True)
class TextInput(ColumnInput):
    """Texts.

    Args:
        column: Column of the texts.
        encoder: Encoder's name, or a mapping with its name and options.
    """

    kind: ClassVar[str] = "text"
    encoder: str | dict[str, Any] = "bytes"

    def read(self, rows: Rows) -> Sequence[Any]:
        return rows.texts(self.column)

    def make_encoder(self) -> Encoder:
        return self._encoder()


@dataclass(frozen=True, kw_only=True)
class TableInput(Input):
    """Numbers and categories, of which any cell may be blank.

    Args:
        numbers: Columns of numbers.
        categories: Columns of categories with their values; null takes those of the training rows.
        encoder: Encoder's name, or a mapping with its name and options.
    """

    kind: ClassVar[str] = "table"
    numbers: list[str] = field(default_factory=list)
    categories: dict[str, list[str] | None] = field(default_factory=dict)
    encoder: str | dict[str, Any] = "mlp"

    def __post_init__(self) -> None:
        if not self.column_names:
            raise ValueError("a table should have `numbers`, `categories` or both. Found neither.")

    @property
    def column_names(self) -> list[str]:
        return [*self.numbers, *self.categories]

    def read(self, rows: Rows) -> Sequence[Any]:
        columns: list[Sequence[Any]] = [rows.numbers(c) for c in self.numbers]
        columns += [rows.choices(c, names or []) for c, names in self.categories.items()]
        return [row_value(cells) for cells in zip(*columns, strict=True)]

    def complete(self, rows: Rows) -> Self:
        texts = {c: set(rows.texts(c)) for c, names in self.categories.items() if names is None}
        values = {c: sorted(text for text in column if text is not None) for c, column in texts.items()}
        return replace(self, categories={**self.categories, **values})

    def make_encoder(self) -> Encoder:
        sizes = [len(names or []) for names in self.categories.values()]
        return self._encoder(num_features=len(self.column_names), categories=sizes)
