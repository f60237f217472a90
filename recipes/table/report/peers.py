"""Trees and a linear model beside the net: their answers for the test rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.cells import Cells
from sennit.recipes.table.report.linear import Linear
from sennit.recipes.table.report.peer import Floats, Peer
from sennit.recipes.table.report.tree import Tree
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import Target
from sennit.tasks import Classification, PoissonRegression, Regression, Task

PEERS: Mapping[str, Callable[[Cells, Sequence[int]], Peer]] = {"tree": Tree, "linear": Linear}
KINDS = ("class", "ordinal", "multilabel", "number")
_MOST_OUTPUTS = 20


def peer_answers(
    schema: Schema, rows: Rows, tasks: Mapping[str, Task]
) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """Return the outputs of each peer for the test rows, by target, in the form of the target's task.

    Each is fitted on the training rows that have a label, with the settings of scikit-learn.

    Args:
        schema: Complete schema.
        rows: Rows, with training and test rows.
        tasks: Tasks of the targets.

    Returns:
        Outputs by peer and target, and a sentence for each thing that is left out.
    """
    cells = Cells.of(schema, rows)
    if not cells.names:
        kinds = sorted({spec.kind for spec in schema.inputs.values()})
        return {}, [f"No tree and no linear model: neither can read an input of {', '.join(kinds)}."]
    notes = []
    if cells.left_out:
        notes.append(f"Tree and linear model read {', '.join(cells.names)}, not {', '.join(cells.left_out)}.")
    peers = {name: make(cells, rows.subsets["train"]) for name, make in PEERS.items()}
    answers: dict[str, dict[str, Tensor]] = {name: {} for name in peers}
    for name, target in schema.targets.items():
        if (reason := _reason(target, tasks[name])) is not None:
            notes.append(f"{name}: no tree and no linear model, {reason}.")
            continue
        for peer, model in peers.items():
            values = torch.from_numpy(_answers(model, target, tasks[name], rows))
            answers[peer][name] = tasks[name].output_for(values)
    return answers, notes


def _reason(target: Target, task: Task) -> str | None:
    """Return why a target has no peers; None where it has."""
    if target.kind not in KINDS:
        return f"as none is fitted to a target of the kind '{target.kind}'"
    if target.kind == "multilabel" and task.out_dim > _MOST_OUTPUTS:
        return f"which would need one for each of {task.out_dim} labels"
    if target.kind == "number" and not isinstance(task, Regression):
        return "as the answers of the net are quantiles"
    return None


def _answers(model: Peer, target: Target, task: Task, rows: Rows) -> Floats:
    train, test = rows.subsets["train"], rows.subsets["test"]
    column: Any = target.read(rows)
    labelled = [i for i in train if column[i] is not None]
    labels = np.array([column[i] for i in labelled])
    if isinstance(task, Classification):
        return model.classes(labelled, labels.astype(np.int64), len(task.classes), test)
    columns = []
    for k in range(labels.shape[1]):
        places = np.flatnonzero(~np.isnan(labels[:, k]))
        chosen = [labelled[i] for i in places]
        if not chosen:
            columns.append(np.full(len(test), np.nan))
        elif target.kind == "number":
            values, fitted = model.numbers(chosen, labels[places, k], test), labels[places, k]
            # Beyond the labels a logarithm, or a rate, may not exist.
            bounded = isinstance(task, PoissonRegression) or (
                isinstance(task, Regression) and task.transforms
            )
            columns.append(values.clip(fitted.min(), fitted.max()) if bounded else values)
        else:
            columns.append(model.classes(chosen, labels[places, k].astype(np.int64), 2, test)[:, 1])
    return np.stack(columns, 1)
