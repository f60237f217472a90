"""Inputs: the columns that each kind reads, as which raw value, and into which encoder.

Here are texts and molecules; `table_input` has numbers, categories and dates, `file_inputs` files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor

from sennit.data import Transforms
from sennit.encoders import ENCODERS, Encoder, create_encoder
from sennit.recipes.table.reading.rows import Rows

MOLECULES = ("morgan", "chemprop")
"""Encoders that read a text as a molecule, and refuse others."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """Base of the kinds of input.

    Attributes:
        kind: Name of the kind in a schema.
        file: Whether its column names files.
        shape: Number of dimensions of what its encoder reads, and whether they are floats; None for any.
        column_names: Columns that it reads.
        layer_decay: Factor of the learning rate from each layer of the encoder to the one below, such as
            0.8, where a pretrained one is tuned; None for the same rate in all.
    """

    kind: ClassVar[str]
    file: ClassVar[bool] = False
    shape: ClassVar[tuple[int, bool] | None] = None
    encoder: str | dict[str, Any]
    layer_decay: float | None = None

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

    def make_check(self) -> Callable[[Any, bool], str | None] | None:
        """Return a function that refuses what the encoder cannot read; None where it reads every value.

        Its arguments are a raw value, and whether to read a file to the end rather than its header only; it
        returns a remark about the value, if there is one to make.
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

    @property
    def _encoder_name(self) -> str:
        options = {"name": self.encoder} if isinstance(self.encoder, str) else self.encoder
        if "name" not in options:
            raise ValueError(f"`encoder` should have a 'name'. Found {options}.")
        return str(options["name"])

    def _encoder(self, **offered: Any) -> Encoder:
        """Make the chosen encoder with those of the offered options that it accepts."""
        name = self._encoder_name
        options = dict(self.encoder) if isinstance(self.encoder, dict) else {}
        options.pop("name", None)
        accepted = ENCODERS.signature(name).parameters
        encoder = create_encoder(name, **{k: v for k, v in offered.items() if k in accepted} | options)
        spec = encoder.input_spec
        if self.shape is not None and self.shape != (len(spec.shape), spec.dtype.is_floating_point):
            raise ValueError(
                f"`encoder` should read the kind '{self.kind}'. Found '{name}', which reads "
                f"{spec.describe()}. The README of the table has the encoders of each kind."
            )
        return encoder


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
    encoder: str | dict[str, Any] = "hashed_ngrams"

    def read(self, rows: Rows) -> Sequence[Any]:
        return rows.texts(self.column)

    def make_check(self) -> Callable[[Any, bool], str | None] | None:
        if self._encoder_name not in MOLECULES:
            return super().make_check()
        read = self.make_encoder().to_tensor

        def check(value: Any, whole: bool) -> None:
            read(value)

        return check

    def make_encoder(self) -> Encoder:
        return self._encoder()


@dataclass(frozen=True, kw_only=True)
class MoleculeInput(TextInput):
    """Molecules as SMILES.

    Args:
        column: Column of the SMILES.
        encoder: Encoder's name, or a mapping with its name and options.
    """

    kind: ClassVar[str] = "molecule"
    encoder: str | dict[str, Any] = "morgan"
