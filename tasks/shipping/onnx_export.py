"""Trained models as ONNX files, checked against the model."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sennit.data import View
from sennit.disk_faults import make_folder, writing
from sennit.extras import require
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.shipping.export import checked_program, compare, reason
from sennit.tasks.shipping.trial_inputs import Inputs


def export_onnx(
    model: MultiTaskModel,
    path: str | Path,
    *,
    modalities: Sequence[str] | None = None,
    example: View | None = None,
) -> None:
    """Write a model as an ONNX file, for samples that have the same modalities.

    Inputs and outputs are named as those of `export_program`; the model's ``config``, with the names of
    the classes, is in the file's metadata under ``sennit``. A model above 2 GB puts its weights beside the
    file, in ``<name>.data``. An older file at ``path`` stays until the new one is complete and checked.

    Source: ``torch.onnx`` and ONNX Runtime, which runs the check.

    Args:
        model: Model to export, as for `export_program`.
        path: File; its folder is created where it does not exist.
        modalities: Modalities that every sample has, as for `export_program`.
        example: Batch for the comparison, as for `export_program`.

    Raises:
        ValueError: As `export_program`; an operation that ONNX or its runtime does not have; an input
            and an output of the same name.
        RuntimeError: The answers of ONNX Runtime differ from the model's.
        OSError: The file cannot be written.
        ImportError: The extra ``onnx`` is not installed.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> encoders = {"row": create_encoder("mlp", 3)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(4)}
        ... )
        >>> export_onnx(model, "model.onnx")
        >>> import onnxruntime
        >>> session = onnxruntime.InferenceSession("model.onnx")
        >>> session.run(["y"], {"row": torch.randn(5, 3, dtype=torch.float64).numpy()})[0].shape
        (5, 4)
    """
    for module in ("onnx", "onnxscript"):
        require(module, "onnx")
    runtime = require("onnxruntime", "onnx")
    program, fixed, trials = checked_program(model, modalities, example)
    names, outputs = fixed.names(), list(trials[0][1])
    if len({*names, *outputs}) < len(names) + len(outputs):
        raise ValueError(f"inputs and outputs should differ in name for ONNX. Found {names} and {outputs}.")
    path = Path(path)
    make_folder(path.parent)
    with writing(path), tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        try:
            graph = torch.onnx.export(
                # ONNX Runtime has no choice between truth values.
                program.run_decompositions({torch.ops.aten.where.self: _where}),
                dynamo=True,
                input_names=names,
                output_names=outputs,
                verbose=False,
            )
            assert graph is not None  # it is None for the exporter before dynamo
            graph.model.metadata_props["sennit"] = json.dumps(model.config, default=str)
            graph.save(Path(folder) / path.name)
            session = runtime.InferenceSession(Path(folder) / path.name, providers=["CPUExecutionProvider"])
        except OSError:
            raise
        except Exception as error:  # of many classes, of torch, onnx, onnxscript and the runtime
            raise ValueError(f"the model cannot be written as ONNX: {reason(error)}") from error

        def run(inputs: Inputs) -> Inputs:
            answers = session.run(outputs, {n: inputs[n].numpy() for n in names})
            return {t: torch.from_numpy(x) for t, x in zip(outputs, answers, strict=True)}

        compare("ONNX Runtime", run, trials)
        for part in sorted(Path(folder).iterdir(), reverse=True):  # weights first
            os.replace(part, path.parent / part.name)


def _where(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return (condition & a) | (~condition & b) if a.dtype == torch.bool else NotImplemented
