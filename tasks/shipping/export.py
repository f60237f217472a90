"""Trained models as `torch.export` programs, checked against the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from sennit.data import View
from sennit.registry import unknown_name
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.shipping.fixed_modalities import FixedModel, mask_of
from sennit.tasks.shipping.trial_inputs import Inputs, examples


def export_program(
    model: MultiTaskModel, *, modalities: Sequence[str] | None = None, example: View | None = None
) -> ExportedProgram:
    """Export a model as one graph without Python, for samples that have the same modalities.

    ``program.module()`` takes one mapping: the tensors of the modalities, as `Batch.inputs` holds them, and
    for each sequence its mask ``<modality>_mask`` (True = valid). It returns a tensor for each task: that
    of `Task.scores`, probabilities or the values of a regression. Batches may have any size, and sequences
    any length; images have the size of the example where an operation needs that. Types are those of the
    encoders' input specs: float64 for tables. Preprocessing is not part of it: ``model.preprocessing()`` and
    ``model.collate`` make the tensors. Source: `torch.export`; ``torch.export.save(program, "model.pt2")``
    writes it.

    Args:
        model: Model, exported in float32 and evaluation mode for the CPU; it stays as it is.
        modalities: Modalities that every sample has; the others are absent. All when None.
        example: Batch as the model sees them, on which graph and model are compared; made up from the
            encoders' input specs when None.

    Raises:
        ValueError: An unknown modality, or a model that cannot be traced; the reason is given.
        RuntimeError: The graph's answers differ from the model's; the largest difference is given.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> encoders = {"row": create_encoder("mlp", 3), "motion": create_encoder("tcn", 2)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(4)}
        ... )
        >>> graph = export_program(model, modalities=["row"]).module()
        >>> graph({"row": torch.randn(5, 3, dtype=torch.float64)})["y"].shape
        torch.Size([5, 4])
    """
    return checked_program(model, modalities, example)[0]


def checked_program(
    model: MultiTaskModel, modalities: Sequence[str] | None, example: View | None
) -> tuple[ExportedProgram, FixedModel, list[tuple[Inputs, Inputs]]]:
    """Return the program, the model that it is made of, and pairs of inputs and that model's answers."""
    available = model.fused_encoder.modalities
    chosen = available if modalities is None else tuple(modalities)
    for name in chosen:
        if name not in available:
            raise unknown_name("modality", name, available)
    if not chosen:
        raise ValueError(f"`modalities` should name one or more of {list(available)}. Found none.")
    fixed = FixedModel(model, tuple(m for m in available if m in chosen))
    trials = _trials(fixed, example)
    fixed.leave_out()
    program = _trace(fixed, trials[0][0])
    try:
        compare("the exported program", program.module(), trials)
    except AssertionError as error:  # a guard of the graph
        raise ValueError(f"no graph can be made that takes all of the example: {reason(error)}") from error
    return program, fixed, trials


def _trials(fixed: FixedModel, example: View | None) -> list[tuple[Inputs, Inputs]]:
    try:
        return [(x, fixed.reference(x)) for x in examples(fixed.specs, fixed.modalities, example)]
    except ValueError as error:
        if example is not None:
            raise
        raise ValueError(
            f"the model refuses the example that was made up ({error}). Give `example`."
        ) from error


def _trace(fixed: FixedModel, inputs: Inputs) -> ExportedProgram:
    shapes: dict[str, dict[int, object]] = {name: {0: Dim.DYNAMIC} for name in fixed.names()}
    for name in fixed.modalities:
        spec = fixed.specs[name]
        shapes[name] |= {i + 1: Dim.AUTO for i, size in enumerate(spec.shape) if size is None}
        if spec.sequence:
            shapes[name][1] = shapes[mask_of(name)][1] = Dim.DYNAMIC
    try:
        return torch.export.export(fixed, (inputs,), dynamic_shapes=(shapes,))
    except Exception:  # parts that ask for the `len` of a tensor fix the size of the batch there
        try:
            return torch.export.export(fixed, (inputs,), dynamic_shapes=(shapes,), strict=True)
        except Exception as error:
            raise ValueError(f"no graph can be made of the model: {reason(error)}") from error


def compare(
    what: str, run: Callable[[Inputs], Mapping[str, Tensor]], trials: Sequence[tuple[Inputs, Inputs]]
) -> None:
    """Refuse answers that are not the model's.

    Raises:
        RuntimeError: They differ by more than 1e-4, absolute and relative; the largest difference is given.
    """
    for inputs, expected in trials:
        answers = run(inputs)
        for task, want in expected.items():
            difference = (answers[task] - want).abs()
            if not bool((difference <= 1e-4 + 1e-4 * want.abs()).all()):  # NaN is not
                raise RuntimeError(
                    f"{what} should give the model's answers. Found a difference of up to "
                    f"{difference.max().item():g} for task '{task}'."
                )


def reason(error: BaseException) -> str:
    """Return the first paragraph of the message of the first error in a chain."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).strip().partition("\n\n")[0].split())
