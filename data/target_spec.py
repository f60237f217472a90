"""The shape and type of one sample's target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class TargetSpec:
    """The shape and type of one sample's target; NaN in a float target is a missing label.

    Args:
        shape: Shape without the batch axis; ``()`` for a class index.
        dtype: ``torch.long`` for classes, a float type otherwise.
        classes: Number of classes, for a class index.
        probability: Whether values are from 0 to 1, as those of labels are.
    """

    shape: tuple[int, ...] = ()
    dtype: torch.dtype = torch.float32
    classes: int | None = None
    probability: bool = False

    def check(self, name: str, target: Tensor) -> None:
        """Refuse a batch of targets of another shape or kind; a wrong shape would broadcast silently.

        Raises:
            ValueError: The shape is wrong.
            TypeError: The dtype is of the wrong kind.
        """
        if target.shape[1:] == self.shape and target.dtype == self.dtype:
            return
        if target.shape[1:] != self.shape:
            shape = ", ".join(["batch", *map(str, self.shape)])
            hint = " Try `y.unsqueeze(1)`." if (*target.shape[1:], 1) == self.shape else ""
            raise ValueError(
                f"`targets['{name}']` should have shape [{shape}]. Found {(*target.shape,)}.{hint}"
            )
        if not (self.dtype.is_floating_point and target.is_floating_point()):
            raise TypeError(
                f"`targets['{name}']` should be of type {self.dtype}. Found {target.dtype}. "
                f"Convert it with `.to({self.dtype})`."
            )

    def stack(self, name: str, values: Sequence[Any], index: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Return the targets of a batch, zero where there is no label, and where there is one.

        Args:
            name: Name of the task, for error messages.
            values: Target of each sample, or None.
            index: Id of each sample, for error messages.

        Shape:
            both ``[B, *shape]``.

        Raises:
            ValueError: A target has another shape, or is out of range; its sample is named.
        """
        blank = torch.zeros(self.shape, dtype=self.dtype)
        rows = [blank if value is None else torch.as_tensor(value, dtype=self.dtype) for value in values]
        for row, i in zip(rows, index, strict=True):
            if row.shape != self.shape:
                raise ValueError(
                    f"`targets['{name}']` should have shape {self.shape}. Found {tuple(row.shape)} "
                    f"in the sample with index {i}."
                )
        targets = torch.stack(rows)
        labelled = torch.tensor([value is not None for value in values])
        labelled = labelled.reshape(-1, *[1] * len(self.shape)).expand(targets.shape)
        if self.dtype.is_floating_point:
            labelled = labelled & ~targets.isnan()
        targets = torch.where(labelled, targets, torch.zeros((), dtype=self.dtype))
        self._check_range(name, targets, values, index)
        return targets, labelled.clone()

    def _check_range(self, name: str, targets: Tensor, values: Sequence[Any], index: Sequence[Any]) -> None:
        if self.classes is not None:
            wrong = (targets < 0) | (targets >= self.classes)
            should = f"a class from 0 to {self.classes - 1}"
            fix = "Leave the target out if it is unknown."
        elif self.probability:
            wrong = (targets < 0) | (targets > 1)
            should, fix = "from 0 to 1", "Give NaN for a label that is unknown."
        else:
            return
        if bool(wrong.any()):
            row = int(wrong.nonzero()[0, 0])
            raise ValueError(
                f"`targets['{name}']` should be {should}. Found {values[row]} in the sample with index "
                f"{index[row]}. {fix}"
            )
