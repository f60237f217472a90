"""The checks of a batch: the one place where sizes, presence and values are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sennit.registry import did_you_mean


def validate(
    inputs: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
    *,
    index: Tensor | None = None,
    targets: Mapping[str, Tensor] | None = None,
    labelled: Mapping[str, Tensor] | None = None,
) -> None:
    """Refuse a batch whose fields disagree, or in which a sample has no modality.

    Presence is checked on the CPU only.

    Raises:
        ValueError: Sizes or names disagree, or a sample has no modality at all (its index is named).
    """
    sizes = {name: len(x) for name, x in inputs.items()}
    if len(set(sizes.values())) != 1 or 0 in sizes.values():
        raise ValueError(
            f"`inputs` should hold the same number of samples (one or more) for every modality. "
            f"Found {sizes or 'no modality'}. Mark a missing one in `present`."
        )
    refuse_unknown("present", present, inputs)
    refuse_unknown("masks", masks, inputs)
    refuse_unknown("labelled", labelled or {}, targets or {})
    size = next(iter(sizes.values()))
    for name, flags in present.items():
        check_bool(f"present['{name}']", flags, (size,))
    for name, mask in masks.items():
        check_bool(f"masks['{name}']", mask, tuple(inputs[name].shape[:2]))
        if mask.device.type == "cpu":
            empty = ~mask.any(1)
            empty = empty & present[name] if name in present else empty
            if bool(empty.any()):
                raise ValueError(
                    f"`masks['{name}']` should have a valid step where '{name}' is present. Found none in "
                    f"{_samples(empty, index)}. Mark the modality as absent there."
                )
    for task, target in (targets or {}).items():
        if len(target) != size:
            raise ValueError(f"`targets['{task}']` should hold {size} samples. Found {len(target)}.")
    for task, flags in (labelled or {}).items():
        shape = (size,) if flags.dim() == 1 else tuple((targets or {})[task].shape)
        check_bool(f"labelled['{task}']", flags, shape)
    if set(present) == set(inputs) and next(iter(present.values())).device.type == "cpu":
        has_any = torch.stack(list(present.values())).any(0)
        if not bool(has_any.all()):
            raise ValueError(
                f"every sample should have at least one modality. Found none for "
                f"{_samples(~has_any, index)}. Leave such samples out of the dataset."
            )


def check_finite(
    inputs: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
    *,
    index: Tensor | None = None,
    allows_nan: frozenset[str] = frozenset(),
) -> None:
    """Refuse NaN and infinity where a value is present and valid.

    Args:
        inputs: One tensor ``[B, ...]`` for each modality.
        masks: Valid steps ``[B, T]`` of the modalities that have a time axis.
        present: Rows ``[B]`` that have the modality.
        index: Sample ids ``[B]`` for the error message.
        allows_nan: Modalities in which NaN is a missing cell; infinity is refused there too.

    Raises:
        ValueError: A value is NaN or infinite; the modality and the samples are named.
    """
    for name, x in inputs.items():
        if not x.is_floating_point():
            continue
        bad = x.abs() > torch.finfo(torch.float32).max  # encoders compute in float32
        bad = bad if name in allows_nan else bad | x.isnan()
        if not bool(bad.any()):
            continue
        if name in masks:
            bad = bad & masks[name].reshape(*masks[name].shape, *[1] * (x.dim() - 2))
        rows = bad.flatten(1).any(1) & present[name]
        if bool(rows.any()):
            beyond = " (or a number beyond those of float32)" if x.dtype == torch.float64 else ""
            raise ValueError(
                f"`inputs['{name}']` should be finite where it is present. Found NaN or infinity{beyond} in "
                f"{_samples(rows, index)}. Mark the modality as absent there, or clean the data."
            )


def labels_of(task: str, target: Tensor, labelled: Tensor) -> Tensor:
    """Return where a target has a label: where it is said to have one, and is not NaN.

    Args:
        task: Name of the task, for the message.
        target: Targets.
        labelled: Flags, for each row or each entry.

    Shape:
        target ``[B, ...]``, labelled ``[B]`` or the target's; result ``[B]`` where rows are known or unknown
        as a whole, else the target's.

    Raises:
        ValueError: A label is infinite.
    """
    if not target.is_floating_point() or bool(target.isfinite().all()):
        return labelled
    numbers = ~target.isnan()
    given = labelled.reshape(*labelled.shape, *[1] * (target.dim() - labelled.dim()))
    if bool((target.isinf() & given).any()):
        raise ValueError(
            f"`targets['{task}']` should be finite where there is a label. Found infinity. Give NaN where "
            f"the label is unknown."
        )
    of_row = numbers.reshape(len(target), -1)
    whole_rows = labelled.dim() == 1 and bool((of_row == of_row[:, :1]).all())
    return labelled & of_row[:, 0] if whole_rows else numbers & given


def label_flags(labelled: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the flags of a batch that follow from its labels."""
    return {
        "all_labelled": all(bool(flags.all()) for flags in labelled.values()),
        "unlabelled": frozenset(task for task, flags in labelled.items() if not bool(flags.any())),
    }


def refuse_unknown(argument: str, given: Mapping[str, Any], names: Mapping[str, Any]) -> None:
    """Refuse names that are not among ``names``; the error suggests close matches.

    Raises:
        ValueError: A name is unknown.
    """
    unknown = sorted(set(given) - set(names))
    if unknown:
        message = f"`{argument}` should name only {sorted(names)}. Found {unknown}. "
        raise ValueError((message + did_you_mean(unknown[0], names)).rstrip())


def check_bool(name: str, x: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse a tensor that is not bool or not of the given shape.

    Raises:
        ValueError: Its type or shape differs.
    """
    if x.dtype != torch.bool or tuple(x.shape) != shape:
        raise ValueError(f"`{name}` should be bool of shape {shape}. Found {x.dtype} of {tuple(x.shape)}.")


def _samples(flags: Tensor, index: Tensor | None) -> str:
    rows = flags.nonzero().flatten()
    ids = [] if index is None else index[rows.to(index.device)].tolist()
    if not ids or min(ids) < 0:
        return f"the samples at rows {rows.tolist()} of the batch"
    return f"the samples with index {ids}"
