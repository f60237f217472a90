"""Labels as people give them: numbers, names of classes, None and NaN for what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sennit.data.missing_words import MISSING_WORDS
from sennit.registry import unknown_name

UNKNOWN = torch.iinfo(torch.long).min
"""Class of what is unknown, until it is masked. No target has it: as ``ignore_index`` it lets no wrong target
cost nothing, as torch's -100 would."""


def read_label(value: Any, dtype: torch.dtype, names: Sequence[str] = ()) -> Tensor:
    """Return a target as a tensor: names become numbers; None and NaN are unknown.

    An unknown entry is NaN among floats, and `UNKNOWN` among classes.

    Args:
        value: Number, name of a class, tensor, array or nested list of them.
        dtype: ``torch.long`` for classes, a float type otherwise.
        names: Names of the classes, in the order of their numbers.

    Raises:
        ValueError: A name of no class, a class that is no whole number, an infinite number, or something
            else than numbers.

    Example:
        >>> read_label(["dog", None], torch.long, ["cat", "dog"])[0]
        tensor(1)
        >>> read_label([0.5, None], torch.float32)
        tensor([0.5000,    nan])
    """
    x = value if isinstance(value, Tensor) else _tensor(_numbers(value, names))
    if not x.is_floating_point():
        return x.to(dtype)
    if dtype.is_floating_point:
        x = x.to(dtype)
        if bool(x.isinf().any()):
            raise ValueError("a label should be finite, or NaN where it is unknown. Found infinity.")
        return x
    unknown = x.isnan()
    whole = x.nan_to_num(0.0, posinf=0.5, neginf=0.5)  # infinity is no whole number
    wrong = whole != whole.round()
    if bool(wrong.any()):
        raise ValueError(
            f"a class should be a whole number, or None where it is unknown. Found {x[wrong][0].item()}."
        )
    return whole.to(dtype).masked_fill(unknown, UNKNOWN)


def unknown_labels(target: Tensor) -> Tensor:
    """Return which entries of a target, as `read_label` returned it, have no label."""
    return target.isnan() if target.is_floating_point() else target == UNKNOWN


def _numbers(value: Any, names: Sequence[str]) -> Any:
    """Return a value in which names are numbers, and None and a missing word are NaN."""
    if isinstance(value, str) and value not in names and value.strip() in ("", *MISSING_WORDS):
        return float("nan")
    if isinstance(value, str):
        if not names:
            raise ValueError(f"a label should hold numbers. Found the text {value!r}.")
        if value not in names:
            raise unknown_name("class", value, names)
        return names.index(value)
    if value is None:
        return float("nan")
    if isinstance(value, np.ndarray) and value.dtype.kind in "OUT":
        value = value.tolist()
        return _numbers(value, names) if isinstance(value, (list, str)) else value
    return [_numbers(entry, names) for entry in value] if isinstance(value, (list, tuple)) else value


def _tensor(numbers: Any) -> Tensor:
    try:
        array = np.asarray(numbers)  # in float64, unlike torch.as_tensor
    except ValueError as error:  # lists of several lengths
        raise ValueError(f"a label should hold numbers in equal rows. Found {numbers!r}.") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"a label should hold numbers. Found a {type(numbers).__name__}: {numbers!r}.")
    return torch.as_tensor(array)
