"""From a list of samples to a `Batch`: padding and masks are made here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sennit.data.batch import Batch
from sennit.data.input_spec import InputSpec
from sennit.data.target_spec import TargetSpec
from sennit.data.token_targets import TokenTargets
from sennit.data.validation import check_finite, label_flags
from sennit.data.view import View
from sennit.registry import unknown_name

Sample = Mapping[str, Any]


@dataclass(frozen=True)
class Collate:
    """Makes a `Batch` of samples ``{"inputs": {...}, "targets": {...}, "views": {...}, "index": 7}``.

    Any modality and any target may be left out of a sample, or be None. The index is a sample's id, -1 in
    the batch where it has none: a cache or a memory then refuses it. Runs on the CPU, in the
    workers of a loader: ``DataLoader(dataset, collate_fn=model.collate)``.

    Args:
        inputs: Input specification of each modality, from the encoders.
        targets: Target specification of each task that has a target.

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
        for position, sample in enumerate(samples):
            _check_form(sample, position)
        index = [s.get("index", position) for position, s in enumerate(samples)]  # for messages
        allows_nan = frozenset(m for m, spec in self.inputs.items() if spec.allows_nan)
        ids = torch.tensor([s.get("index", -1) for s in samples])
        views = {}
        for name in dict.fromkeys(v for s in samples for v in s.get("views", {})):
            rows = [s.get("views", {}).get(name, s["inputs"]) for s in samples]
            views[name] = View(**self._collate_inputs(rows, index), index=ids)
        inputs = self._collate_inputs([s["inputs"] for s in samples], index)
        targets, labelled = self._collate_targets([s.get("targets") or {} for s in samples], index, inputs)
        batch = Batch(
            **inputs,
            index=ids,
            targets=targets,
            labelled=labelled,
            views=views,
            **label_flags(labelled),
        )
        for view in (batch, *views.values()):
            check_finite(view.inputs, view.masks, view.present, index=view.index, allows_nan=allows_nan)
        return batch

    def _collate_inputs(self, rows: Sequence[Mapping[str, Any]], index: Sequence[Any]) -> dict[str, Any]:
        for row, i in zip(rows, index, strict=True):
            for name in row:
                if name not in self.inputs:
                    raise unknown_name("modality", name, self.inputs)
            if all(value is None for value in row.values()):
                raise ValueError(
                    f"every sample should have at least one modality of {sorted(self.inputs)}. "
                    f"Found none for the sample with index {i}. Leave it out of the dataset."
                )
        inputs, masks, present = {}, {}, {}
        for name, spec in self.inputs.items():
            values = [row.get(name) for row in rows]
            inputs[name], mask = _stack(name, values, spec, index)
            if mask is not None:
                masks[name] = mask
            present[name] = torch.tensor([value is not None for value in values])
        return {
            "inputs": inputs,
            "masks": masks,
            "present": present,
            "all_present": all(bool(p.all()) for p in present.values()),
        }

    def _collate_targets(
        self, rows: Sequence[Mapping[str, Any]], index: Sequence[Any], inputs: Mapping[str, Any]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        for row in rows:
            for name in row:
                if name not in self.targets:
                    raise unknown_name("target", name, self.targets)
        targets, labelled = {}, {}
        for task, spec in self.targets.items():
            values = [row.get(task) for row in rows]
            if isinstance(spec, TokenTargets):
                valid = inputs["masks"][spec.along]
                values = spec.padded(task, values, lengths=valid.sum(1).tolist(), index=index)
            targets[task], labelled[task] = spec.stack(task, values, index)
        return targets, labelled


def _check_form(sample: Any, position: int) -> None:
    """Refuse what is no sample, by its position among those of the batch."""
    if not isinstance(sample, Mapping) or not isinstance(sample.get("inputs"), Mapping):
        given = list(sample) if isinstance(sample, Mapping) else f"a {type(sample).__name__}"
        raise TypeError(
            f"a sample should be a mapping with 'inputs' by modality: {{'inputs': {{...}}, 'targets': "
            f"{{...}}}}. Found {given} at position {position} of the batch."
        )
    targets, index = sample.get("targets"), sample.get("index", -1)
    if not (targets is None or isinstance(targets, Mapping)):
        raise TypeError(
            f"`targets` should be a mapping from tasks to targets. Found a {type(targets).__name__} in the "
            f"sample with index {index}."
        )
    if isinstance(index, str):
        raise TypeError(
            f"`index` should be a whole number, as caches and memories read it. Found {index!r}. Number the "
            f"samples, and keep their names in a list."
        )


def _stack(
    name: str, values: Sequence[Any], spec: InputSpec, index: Sequence[Any]
) -> tuple[Tensor, Tensor | None]:
    """Return the inputs of a modality, zero where it is absent, and the mask of a sequence."""
    rows = [_tensor(name, value, i) for value, i in zip(values, index, strict=True)]
    for x, i in zip(rows, index, strict=True):
        if x is None or (x.shape == spec.shape and x.dtype == spec.dtype):
            continue
        try:
            spec.check(name, x.unsqueeze(0))
        except (ValueError, TypeError) as error:
            raise type(error)(f"sample with index {i}: {error}") from None
    present = [x for x in rows if x is not None]
    shapes = {tuple(x.shape[1:] if spec.sequence else x.shape) for x in present}
    if len(shapes) > 1:
        raise ValueError(
            f"`inputs['{name}']` should have one size within a batch. Found {sorted(shapes)}. "
            f"Resize the samples, or pad them."
        )
    if not spec.sequence:
        blank = torch.zeros(shapes.pop() if shapes else spec.absent_shape(), dtype=spec.dtype)
        return torch.stack([blank if x is None else x.to(spec.dtype) for x in rows]), None
    longest = max([len(x) for x in present], default=spec.absent_shape()[0])
    rest = shapes.pop() if shapes else spec.absent_shape()[1:]
    out = torch.zeros(len(rows), longest, *rest, dtype=spec.dtype)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, x in enumerate(rows):
        if x is not None:
            if len(x) == 0:
                raise ValueError(f"`inputs['{name}']` should have at least one step. Found an empty one.")
            out[i, : len(x)] = x
            mask[i, : len(x)] = True
    return out, mask


def _tensor(name: str, value: Any, index: Any) -> Tensor | None:
    try:
        return None if value is None else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        given = repr(value) if isinstance(value, (str, bytes)) else f"a {type(value).__name__} ({error})"
        raise TypeError(
            f"`inputs['{name}']` of the sample with index {index} should be a tensor or an array of numbers. "
            f"Found {given[:200]}. Read raw samples by `model.preprocessing()`."
        ) from None
