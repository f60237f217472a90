"""What a kind of input is: which columns it reads, as what raw value, and into which encoder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sennit.data import Transforms
from sennit.encoders import ENCODERS, Encoder, create_encoder
from sennit.recipes.table.parse import PartError
from sennit.recipes.table.row import Row
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Input:
    """What the kinds of input have in common.

    Attributes:
        file: Whether its column names files.
        column_names: The columns it reads.
    """

    kind: ClassVar[str]
    file: ClassVar[bool] = False
    encoder: str | dict[str, Any]

    @property
    def column_names(self) -> list[str]:
        raise NotImplementedError

    def value(self, row: Row) -> Any:
        """The raw value, as ``model.predict`` takes it; None where blank."""
        raise NotImplementedError

    def complete(self, rows: Iterable[Row]) -> Self:
        """The same with all that can be left undeclared, taken from training rows."""
        return self

    def check(self, row: Row, *, decode: bool) -> str | None:
        """Refuse a row that cannot be read, by the headers of files or all of them.

        Returns:
            What else is worth knowing of a file.
        """
        self.value(row)
        return None

    def check_ready(self, x: Tensor) -> None:
        """Refuse a preprocessed value that the encoder could not read.

        Raises:
            ValueError: It is too short.
        """

    def make_encoder(self) -> Encoder:
        raise NotImplementedError

    def make_transforms(self) -> Transforms | None:
        """What is done to raw values, if anything."""
        return None

    def _encoder(self, **offered: Any) -> Encoder:
        """The chosen encoder; of what the schema knows it gets the options it has."""
        options = dict(self.encoder) if isinstance(self.encoder, dict) else {"name": self.encoder}
        if "name" not in options:
            raise PartError(f"`encoder` should have a 'name'. Found {options}.")
        name = options.pop("name")
        known = ENCODERS.signature(name).parameters
        return create_encoder(name, **{k: v for k, v in offered.items() if k in known} | options)
