"""The members of an ensemble beside the nets, and the weights of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.encoders import Encoder
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.table_input import TableInput
from sennit.recipes.table.schema.targets import Target
from sennit.recipes.table.training import fit_kernels as kernels
from sennit.recipes.table.training import fit_linear as linear
from sennit.recipes.table.training.averaging import answers, row_weights
from sennit.recipes.table.training.ensemble import TableEnsemble
from sennit.recipes.table.training.selection import bagged_weights
from sennit.recipes.table.training.shallow import ShallowModel
from sennit.recipes.table.training.trees import BoostedTrees
from sennit.tasks import Classification, MultiLabel, Regression, Task, evaluate

_LEAST_PROBABILITY = 1e-7
_FEWEST = 20  # labelled rows from which trees are fitted
_LEARNED = {"class": Classification, "multilabel": MultiLabel, "number": Regression}


def fit_shallow(
    schema: Schema,
    rows: Rows | Shards,
    encoders: Mapping[str, Encoder],
    batches: Mapping[str, Iterable[Batch]],
    *,
    seed: int,
) -> dict[str, list[ShallowModel]]:
    """Fit the members that take no steps: trees, and kernel machines on few rows or linear models on texts.

    They learn classes, labels and numbers as they are: not those with weights of classes or with a transform.

    Args:
        schema: Complete schema.
        rows: Rows and their subsets; nothing is fitted to shards, which are not read whole.
        encoders: Encoder of each input.
        batches: Rows without augmentation, by subset.
        seed: Random seed.

    Returns:
        Members by target.
    """
    if isinstance(rows, Shards):
        return {}
    tasks = {name: target.make_task() for name, target in schema.targets.items()}
    tasks = {name: task for name, task in tasks.items() if _learnable(schema.targets[name], task)}
    if not tasks:
        return {}
    shallow: dict[str, list[ShallowModel]] = {}
    for name, trees in _fit_trees(schema, rows, tasks, seed=seed).items():
        shallow.setdefault(name, []).append(trees)
    outputs = {name: task.out_dim for name, task in tasks.items()}
    fitted: Mapping[str, ShallowModel] = {}
    if rows.sizes["train"] <= kernels.MOST_ROWS:
        fitted = kernels.fit_kernels(schema, encoders, batches["train"], outputs)
    elif rows.sizes["train"] <= linear.MOST_ROWS:
        fitted = linear.fit_linear(schema, encoders, batches, outputs)
    for name, model in fitted.items():
        shallow.setdefault(name, []).append(model)
    return shallow


def _fit_trees(
    schema: Schema, rows: Rows, tasks: Mapping[str, Task], *, seed: int
) -> dict[str, BoostedTrees]:
    """Fit boosted trees to the numbers and categories of the only table, for each target."""
    tables = [name for name, spec in schema.inputs.items() if isinstance(spec, TableInput)]
    if len(tables) != 1:
        return {}
    spec = schema.inputs[tables[0]]
    assert isinstance(spec, TableInput)
    cells, encoder = spec.read(rows), spec.make_encoder()
    sizes = [len(names or []) for names in spec.categories.values()]
    trees = {}
    for name, task in tasks.items():
        target = schema.targets[name]
        labels = target.read(rows)
        train, validation = (
            _labelled(cells, labels, encoder, rows.subsets.get(subset, []))
            for subset in ("train", "validation")
        )
        if train is not None and len(train[0]) >= _FEWEST:
            trees[name] = BoostedTrees.fit(
                *train,
                kind=target.kind,
                outputs=task.out_dim,
                categories=sizes,
                validation=validation,
                seed=seed,
                table=tables[0],
            )
    return trees


def _learnable(target: Target, task: Task) -> bool:
    """Return whether trees can give what the task's head gives."""
    plain = all(getattr(target, option, None) is None for option in ("weights", "sampler", "transform"))
    return plain and type(task) is _LEARNED.get(target.kind)


def _labelled(
    cells: Sequence[Any], labels: Sequence[Any], encoder: Any, indices: Sequence[int]
) -> tuple[Tensor, Tensor] | None:
    """Return the rows of a subset that have the table and a label, as tensors."""
    kept = [i for i in indices if cells[i] is not None and labels[i] is not None]
    if not kept:
        return None
    x = torch.stack([encoder.to_tensor(cells[i]) for i in kept])
    y = torch.tensor([labels[i] for i in kept])
    return x, y.double() if y.is_floating_point() else y


@torch.no_grad()
def validated_weights(model: TableEnsemble, batches: Iterable[Batch]) -> dict[str, Tensor]:
    """Return the weights of the members that have the least loss on validation rows, by task.

    The loss is the negative log-likelihood of classes and labels, and the squared error of numbers; tasks of
    other kinds have none, and members of equal weights.

    Args:
        model: Members.
        batches: Validation rows, in the same order each time.
    """
    batches = list(batches)
    outputs: dict[str, list[Tensor]] = {}
    readable: dict[str, list[Tensor]] = {}
    for batch in batches:
        for name, (members, rows) in model.member_outputs(batch).items():
            outputs.setdefault(name, []).append(members.float())
            readable.setdefault(name, []).append(rows)
    weights = {}
    for name, of_task in evaluate(model, batches).answers.items():
        task, counted = model.tasks[name], of_task.counted
        if type(task) not in _LEARNED.values() or getattr(task, "transforms", None):
            continue  # equal weights: their errors are not those of `_loss`
        kept = counted.reshape(len(counted), -1).any(1)
        if not bool(kept.any()):
            continue
        loss = partial(
            _loss,
            task,
            of_task.targets[kept],
            counted[kept],
            answers(task, torch.cat(outputs[name], 1)[:, kept]),
            torch.cat(readable[name], 1)[:, kept],
        )
        weights[name] = bagged_weights(len(model.member_weights[name]), int(kept.sum()), loss)
    return weights


def _loss(
    task: Task,
    targets: Tensor,
    counted: Tensor,
    outputs: Tensor,
    readable: Tensor,
    weights: Tensor,
    rows: Tensor,
) -> float:
    """Return the loss of a weighted mean of answers on some rows."""
    weight = row_weights(weights.to(outputs), readable[:, rows])
    outputs, targets, counted = outputs[:, rows], targets[rows], counted[rows]
    mean = (outputs * weight.reshape(*weight.shape, *[1] * (outputs.dim() - 2))).sum(0)
    if type(task) is Classification:
        p = mean[counted].gather(1, targets[counted].unsqueeze(1)).clamp_min(_LEAST_PROBABILITY)
        return float(-p.log().mean())
    if type(task) is MultiLabel:
        p = mean.clamp(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
        return float(-(targets * p.log() + (1 - targets) * (1 - p).log())[counted].mean())
    return float((mean - targets).square()[counted].mean())


def described(model: TableEnsemble) -> str:
    """Return the weights in words, such as ``income: 0.35 net 1, 0.65 trees``."""
    return "; ".join(
        f"{name}: " + ", ".join(f"{w:.2f} {m}" for w, m in zip(weight, model.member_names(name), strict=True))
        for name, weight in model.member_weights.items()
    )
