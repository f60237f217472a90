"""The shape and type of one sample's target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sennit.data.labels import read_label, unknown_labels


@dataclass(frozen=True)
class TargetSpec:
    """The shape and type of one sample's target; None or NaN, as a whole or in an entry, is a missing label.

    A soft target, the probability of each class ``[B, classes, *shape]`` in floats, may stand for class
    indices in a batch.

    Args:
        shape: Shape without the batch axis; ``()`` for a class index. A size that is None is free, as the
            height and width of a label map are; within a batch the sizes agree.
        dtype: ``torch.long`` for classes, a float type otherwise.
        classes: Number of classes, for class indices.
        probability: Whether values are from 0 to 1, as those of labels are.
        ignore: Value of an entry that has no label, such as 255 in a label map.
        vector: Whether the first axis holds the components of one label, as of a surface normal: it is
            missing where any of them is NaN, or all of them are ``ignore``.
        names: Names of the classes, in the order of their numbers, which may stand for these in a sample.
    """

    shape: tuple[int | None, ...] = ()
    dtype: torch.dtype = torch.float32
    classes: int | None = None
    probability: bool = False
    ignore: float | None = None
    vector: bool = False
    names: tuple[str, ...] = ()

    def check(self, name: str, target: Tensor) -> None:
        """Refuse a batch of targets of another shape or kind; a wrong shape would broadcast silently.

        Raises:
            ValueError: The shape is wrong.
            TypeError: The dtype is of the wrong kind.
        """
        if self.is_soft(target):
            return
        if not self._fits(target.shape[1:]):
            shape = ", ".join(["batch", *("*" if size is None else str(size) for size in self.shape)])
            hint = " Try `y.unsqueeze(1)`." if (*target.shape[1:], 1) == self.shape else ""
            raise ValueError(
                f"`targets['{name}']` should have shape [{shape}]. Found {(*target.shape,)}.{hint}"
            )
        if target.dtype != self.dtype and not (self.dtype.is_floating_point and target.is_floating_point()):
            raise TypeError(
                f"`targets['{name}']` should be of type {self.dtype}. Found {target.dtype}. "
                f"Convert it with `.to({self.dtype})`."
            )

    def is_soft(self, target: Tensor) -> bool:
        """Return whether a batch of targets holds the probabilities of classes in place of their indices."""
        if self.classes is None or not target.is_floating_point() or target.dim() < 2:
            return False
        return target.shape[1] == self.classes and self._fits(target[:, 0].shape[1:])

    def _fits(self, shape: Sequence[int]) -> bool:
        return len(shape) == len(self.shape) and all(
            want in (None, size) for want, size in zip(self.shape, shape, strict=True)
        )

    def stack(self, name: str, values: Sequence[Any], index: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Return the targets of a batch, zero where there is no label, and where there is one.

        Args:
            name: Name of the task, for error messages.
            values: Target of each sample, or None.
            index: Id of each sample, for error messages.

        Shape:
            both ``[B, *shape]``; free sizes are 1 in a batch without a single target.

        Raises:
            ValueError: A target is no label, has another shape, or is out of range; its sample is named. Or
                targets of free sizes differ in size.
        """
        targets, given = self._block(values) or self._row_by_row(name, values, index)
        labelled = given.reshape(-1, *[1] * len(self.shape)).expand(targets.shape)
        labelled = labelled & ~self._missing(targets)
        targets = torch.where(labelled, targets, torch.zeros((), dtype=self.dtype))
        self._check_range(name, targets, index)
        return targets, labelled.clone()

    def decode(self, name: str, value: Any, index: Any = None) -> Tensor:
        """Return a target as a tensor of its type, of any shape; see `sennit.data.labels.read_label`.

        Args:
            name: Name of the task, for error messages.
            value: Target as people give it.
            index: Id of the sample, for error messages.

        Raises:
            ValueError: The value is no label.
        """
        try:
            # Names of true labels might as well be numbers of a vector: only those of classes are read.
            return read_label(value, self.dtype, self.names if self.classes is not None else ())
        except ValueError as error:
            where = "" if index is None else f" in the sample with index {index}"
            fix = f" Give a number for each of {list(self.names)}." if self.names and not self.classes else ""
            raise ValueError(f"`targets['{name}']`{where}: {error}{fix}") from None

    def _block(self, values: Sequence[Any]) -> tuple[Tensor, Tensor] | None:
        """Return targets that are plain numbers, read at once, and which are given; None for any others."""
        numbers = [value for value in values if value is not None]
        if not numbers:
            shape = (1 if size is None else size for size in self.shape)
            nothing = torch.zeros(len(values), dtype=torch.bool)
            return torch.zeros(len(values), *shape, dtype=self.dtype), nothing
        if None in self.shape or not {*map(type, numbers)} <= {bool, int, float, list}:
            return None
        try:
            array = np.asarray(numbers)
        except ValueError:  # lists of several lengths
            return None
        kinds = "bif" if self.dtype.is_floating_point else "bi"
        if array.shape[1:] != self.shape or array.dtype.kind not in kinds:
            return None
        read = torch.from_numpy(array).to(self.dtype)
        if bool(read.isinf().any()):
            return None
        given = torch.tensor([value is not None for value in values])
        targets = read.new_zeros(len(values), *read.shape[1:])
        targets[given] = read
        return targets, given

    def _row_by_row(self, name: str, values: Sequence[Any], index: Sequence[Any]) -> tuple[Tensor, Tensor]:
        rows = [self._read(name, value, i) for value, i in zip(values, index, strict=True)]
        return self._stacked(name, rows), torch.tensor([row is not None for row in rows])

    def _read(self, name: str, value: Any, index: Any) -> Tensor | None:
        """Return the target of a sample; None where all of it is unknown."""
        row = self.decode(name, value, index)
        if self._fits(row.shape):
            return row
        if row.dim() == 0 and bool(unknown_labels(row)):
            return None
        fix = ""
        if (1, *row.shape) == self.shape:
            fix = " Give a list of one number."
        elif self.classes is not None and row.shape == (*self.shape, self.classes):
            fix = f" Give the number of the class, such as {int(row.argmax(-1).flatten()[0])}."
        raise ValueError(
            f"`targets['{name}']` should have shape {self.shape}. Found {tuple(row.shape)} "
            f"in the sample with index {index}.{fix}"
        )

    def _stacked(self, name: str, rows: Sequence[Tensor | None]) -> Tensor:
        shapes = {tuple(row.shape) for row in rows if row is not None}
        if len(shapes) > 1:
            raise ValueError(
                f"`targets['{name}']` should have one size within a batch. Found {sorted(shapes)}. Resize "
                f"or crop the samples, inputs and targets alike."
            )
        shape = shapes.pop() if shapes else tuple(1 if size is None else size for size in self.shape)
        blank = torch.zeros(shape, dtype=self.dtype)
        return torch.stack([blank if row is None else row for row in rows])

    def _missing(self, targets: Tensor) -> Tensor:
        missing = unknown_labels(targets)
        if self.vector:
            missing = missing.any(1, keepdim=True).expand(targets.shape)
        if self.ignore is None:
            return missing
        ignored = targets == self.ignore
        return missing | (ignored.all(1, keepdim=True) if self.vector else ignored)

    def _check_range(self, name: str, targets: Tensor, index: Sequence[Any]) -> None:
        if self.classes is not None:
            wrong = (targets < 0) | (targets >= self.classes)
            should = f"a class from 0 to {self.classes - 1}"
            fix = "Leave the target out if it is unknown."
        elif self.probability:
            wrong = (targets < 0) | (targets > 1)
            should, fix = "from 0 to 1", "Give NaN for a label that is unknown."
        else:
            return
        if self.ignore is not None:
            should += f", or {self.ignore:g} where there is no label"
        if bool(wrong.any()):
            entry = wrong.nonzero()[0]
            raise ValueError(
                f"`targets['{name}']` should be {should}. Found {targets[tuple(entry)].item():g} in the "
                f"sample with index {index[int(entry[0])]}. {fix}"
            )
