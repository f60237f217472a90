"""From a list of samples to a `Batch`: padding and masks are made here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from sennit.data.batch import Batch
from sennit.data.input_spec import InputSpec
from sennit.data.view import View
from torch import Tensor

from sennit.registry import unknown_name

Sample = Mapping[str, Any]


@dataclass(frozen=True)
class TargetSpec:
    """The shape and type of one sample's target; NaN in a float target is a missing label.

    Args:
        shape: Without the batch axis; ``()`` for a class index.
        dtype: ``torch.long`` for classes, a float type otherwise.
        classes: For classes, how many there are.
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


@dataclass(frozen=True)
class Collate:
    """Makes a `Batch` of samples ``{"inputs": {...}, "targets": {...}, "views": {...}, "index": 7}``.

    Any modality and any target may be left out of a sample, or be None. Runs on the CPU, in the
    workers of a loader: ``DataLoader(dataset, collate_fn=model.collate)``.

    Args:
        inputs: The spec of each modality, from the encoders.
        targets: The spec of each task that has a target.

    Raises:
        ValueError: A sample without any modality, an unknown modality, a wrong shape, NaN or infinity.

    Example:
        >>> collate = Collate({"audio": InputSpec((None, 2), sequence=True)}, {"loud": TargetSpec()})
        >>> batch = collate([{"inputs": {"audio": torch.ones(n, 2)}, "targets": {"loud": 1}} for n in (1, 3)])
        >>> batch.masks["audio"].tolist()
        [[True, False, False], [True, True, True]]
    """

    inputs: Mapping[str, InputSpec]
    targets: Mapping[str, TargetSpec]

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        if not samples:
            raise ValueError("a batch should hold at least one sample. Found none.")
        index = [s.get("index", i) for i, s in enumerate(samples)]
        inputs, masks, present = self._collate_inputs([s["inputs"] for s in samples], index)
        targets, labelled = self._collate_targets([s.get("targets", {}) for s in samples], index)
        views = {}
        for name in dict.fromkeys(v for s in samples for v in s.get("views", {})):
            rows = [s.get("views", {}).get(name, s["inputs"]) for s in samples]
            x, m, p = self._collate_inputs(rows, index)
            views[name] = View.of(x, masks=m, present=p)
        batch = Batch.of(
            inputs,
            masks=masks,
            present=present,
            targets=targets,
            labelled=labelled,
            index=torch.as_tensor(index),
            views=views,
        )
        allows_nan = frozenset(m for m, spec in self.inputs.items() if spec.allows_nan)
        for view in (batch, *views.values()):
            view.check_finite(allows_nan)
        return batch

    def _collate_inputs(
        self, rows: Sequence[Mapping[str, Any]], index: Sequence[Any]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        inputs, masks, present = {}, {}, {}
        for unknown in dict.fromkeys(m for row in rows for m in row if m not in self.inputs):
            raise unknown_name("modality", unknown, self.inputs)
        for row, i in zip(rows, index, strict=True):
            if all(row.get(m) is None for m in self.inputs):
                raise ValueError(
                    f"every sample should have at least one modality of {sorted(self.inputs)}. "
                    f"Found none for the sample with index {i}. Leave it out of the dataset."
                )
        for name, spec in self.inputs.items():
            found = [None if r.get(name) is None else torch.as_tensor(r[name]) for r in rows]
            for x, i in zip(found, index, strict=True):
                if x is not None:
                    try:
                        spec.check(name, x.unsqueeze(0))
                    except (ValueError, TypeError) as error:
                        raise type(error)(f"sample with index {i}: {error}") from None
            inputs[name], mask = _stack(name, found, spec)
            if mask is not None:
                masks[name] = mask
            present[name] = torch.tensor([x is not None for x in found])
        return inputs, masks, present

    def _collate_targets(
        self, rows: Sequence[Mapping[str, Any]], index: Sequence[Any]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        targets, labelled = {}, {}
        for unknown in dict.fromkeys(t for row in rows for t in row if t not in self.targets):
            raise unknown_name("target", unknown, self.targets)
        for task, spec in self.targets.items():
            blank = torch.zeros(spec.shape, dtype=spec.dtype)
            values, known = [], []
            for row, i in zip(rows, index, strict=True):
                value = row.get(task)
                target = blank if value is None else torch.as_tensor(value, dtype=spec.dtype)
                if target.shape != spec.shape:
                    raise ValueError(
                        f"`targets['{task}']` should have shape {spec.shape}. Found {tuple(target.shape)} "
                        f"in the sample with index {i}."
                    )
                if spec.classes is not None and not bool(((target >= 0) & (target < spec.classes)).all()):
                    raise ValueError(
                        f"`targets['{task}']` should be a class from 0 to {spec.classes - 1}. Found "
                        f"{value} in the sample with index {i}. Leave the target out if it is unknown."
                    )
                if spec.probability and bool(((target < 0) | (target > 1)).any()):
                    raise ValueError(
                        f"`targets['{task}']` should be from 0 to 1. Found {value} in the sample with "
                        f"index {i}. Give NaN for a label that is unknown."
                    )
                there = ~target.isnan() if spec.dtype.is_floating_point else torch.ones_like(target).bool()
                known.append(there if value is not None else torch.zeros_like(there))
                values.append(torch.where(known[-1], target, blank))
            targets[task], labelled[task] = torch.stack(values), torch.stack(known)
        return targets, labelled


def _stack(name: str, found: Sequence[Tensor | None], spec: InputSpec) -> tuple[Tensor, Tensor | None]:
    there = [x for x in found if x is not None]
    shapes = {tuple(x.shape[1:] if spec.sequence else x.shape) for x in there}
    if len(shapes) > 1:
        raise ValueError(
            f"`inputs['{name}']` should have one size within a batch. Found {sorted(shapes)}. "
            f"Resize the samples, or pad them."
        )
    if not spec.sequence:
        shape = tuple(there[0].shape) if there else spec.absent_shape()
        blank = torch.zeros(shape, dtype=spec.dtype)
        return torch.stack([blank if x is None else x.to(spec.dtype) for x in found]), None
    rest = shapes.pop() if shapes else spec.absent_shape()[1:]
    longest = max([len(x) for x in there], default=spec.absent_shape()[0])
    out = torch.zeros(len(found), longest, *rest, dtype=spec.dtype)
    mask = torch.zeros(len(found), longest, dtype=torch.bool)
    for i, x in enumerate(found):
        if x is not None:
            if len(x) == 0:
                raise ValueError(f"`inputs['{name}']` should have at least one step. Found an empty one.")
            out[i, : len(x)] = x
            mask[i, : len(x)] = True
    return out, mask
