"""The shape and type of one sample of a modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class InputSpec:
    """The shape and type of one sample of a modality, without the batch axis.

    Args:
        shape: Shape of a sample; ``None`` marks a size that may vary. In a sequence the first axis is time.
        dtype: Type of the tensor that the encoder reads.
        sequence: Whether samples vary in length, so that `Collate` pads them and makes a mask.
        allows_nan: Whether NaN is a value (a missing cell of a table) and not an error.
        stand_in: Shape that `Collate` gives to a modality that is absent from the whole batch; by default
            ``shape`` with 1 for every size that may vary.

    Example:
        >>> InputSpec((None, 24), sequence=True).describe()
        '[batch, time, 24]'
    """

    shape: tuple[int | None, ...]
    dtype: torch.dtype = torch.float32
    sequence: bool = False
    allows_nan: bool = False
    stand_in: tuple[int, ...] | None = None

    def to_config(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; `from_config` reads them."""
        return {**asdict(self), "dtype": str(self.dtype).removeprefix("torch.")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> InputSpec:
        """Build from what `to_config` returned.

        Raises:
            ValueError: ``dtype`` is not the name of a type of torch.
            TypeError: An unknown field.

        Example:
            >>> InputSpec.from_config(InputSpec((None, 24), sequence=True).to_config())
            InputSpec(shape=(None, 24), dtype=torch.float32, sequence=True, allows_nan=False, stand_in=None)
        """
        fields = dict(config)
        dtype = getattr(torch, str(fields.get("dtype", "float32")), None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"`dtype` should name a type of torch. Found {fields['dtype']!r}.")
        stand_in = fields.get("stand_in")
        return cls(
            **{
                **fields,
                "dtype": dtype,
                "shape": tuple(fields["shape"]),
                "stand_in": None if stand_in is None else tuple(stand_in),
            }
        )

    def describe(self) -> str:
        """Return the shape of a batch in words."""
        names = ["time" if self.sequence and i == 0 else "*" for i in range(len(self.shape))]
        sizes = [n if s is None else str(s) for n, s in zip(names, self.shape, strict=True)]
        return f"[{', '.join(['batch', *sizes])}]"

    def absent_shape(self) -> tuple[int, ...]:
        """Return the shape of the stand-in for an absent sample."""
        return self.stand_in or tuple(1 if s is None else s for s in self.shape)

    def check(self, name: str, x: Tensor) -> None:
        """Refuse a batch that this modality's encoder cannot read.

        Raises:
            ValueError: The shape is wrong; the message says what was found and the likely fix.
            TypeError: The dtype is of the wrong kind (integers where floats are read, or the reverse).
        """
        sizes = x.shape[1:]
        if sizes == self.shape and x.dtype == self.dtype:
            return
        if len(sizes) != len(self.shape) or any(
            want is not None and want != got for want, got in zip(self.shape, sizes, strict=True)
        ):
            message = f"`inputs['{name}']` should have shape {self.describe()}. Found {(*x.shape,)}."
            raise ValueError(message + self._likely_fix(sizes))
        if x.is_floating_point() != self.dtype.is_floating_point or x.is_complex():
            raw = self.dtype.is_floating_point and not x.is_complex() and x.dtype != torch.bool
            fix = "Read raw pixels and sound by `model.preprocessing()`, which scales them. " if raw else ""
            raise TypeError(
                f"`inputs['{name}']` should be of type {self.dtype}. Found {x.dtype}. {fix}"
                f"Convert {'other numbers' if raw else 'it'} with `.to({self.dtype})`."
            )

    def _likely_fix(self, sizes: torch.Size) -> str:
        if len(sizes) == len(self.shape) - 1:
            return " Is the batch axis missing? Try `x.unsqueeze(0)`."
        if len(sizes) == len(self.shape) and len(sizes) > 1:
            if self.sequence and sizes[0] == self.shape[1]:
                return " Are channels first? Try `x.transpose(1, 2)`."
            if not self.sequence and sizes[-1] == self.shape[0]:
                return " Are channels last? Try `x.movedim(-1, 1)`."
        return ""
