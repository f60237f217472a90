"""The members of an ensemble beside the nets: trees, and the weights of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.table_input import TableInput
from sennit.recipes.table.schema.targets import Target
from sennit.recipes.table.training.ensemble import TableEnsemble, answers
from sennit.recipes.table.training.selection import greedy_weights
from sennit.recipes.table.training.trees import BoostedTrees
from sennit.tasks import Classification, MultiLabel, Regression, Task, evaluate

_LEAST_PROBABILITY = 1e-7
_FEWEST = 20  # labelled rows from which trees are fitted
_LEARNED = {"class": Classification, "multilabel": MultiLabel, "number": Regression}


def fit_trees(schema: Schema, rows: Rows | Shards, *, seed: int) -> tuple[str, dict[str, BoostedTrees]]:
    """Fit boosted trees to the numbers and categories of a table, for each target that they can learn.

    Those are classes, labels and numbers as they are: not those with weights of classes or with a transform.

    Args:
        schema: Complete schema.
        rows: Rows and their subsets; trees are not fitted to shards, which are not read whole.
        seed: Random seed.

    Returns:
        Name of the input, and the trees by target; empty without an input or a target of that kind.
    """
    tables = [name for name, spec in schema.inputs.items() if isinstance(spec, TableInput)]
    if isinstance(rows, Shards) or len(tables) != 1:
        return "", {}
    spec = schema.inputs[tables[0]]
    assert isinstance(spec, TableInput)
    cells, encoder = spec.read(rows), spec.make_encoder()
    sizes = [len(names or []) for names in spec.categories.values()]
    trees = {}
    for name, target in schema.targets.items():
        task = target.make_task()
        if not _learnable(target, task):
            continue
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
            )
    return (tables[0], trees) if trees else ("", {})


def _learnable(target: Target, task: Task) -> bool:
    """Return whether trees can give what the task's head gives."""
    plain = getattr(target, "weights", None) is None and getattr(target, "transform", None) is None
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
    evaluations = [evaluate(net, batches) for net in model.nets]
    trees: dict[str, list[Tensor]] = {name.removeprefix("task "): [] for name in model.trees}
    for batch in batches if trees else ():
        for name, parts in trees.items():
            parts.append(model.tree_outputs(name, batch).float())
    weights = {}
    for name, of_task in evaluations[0].answers.items():
        counted = of_task.counted
        if not bool(counted.any()):
            continue
        task = model.tasks[name]
        if type(task) not in _LEARNED.values() or getattr(task, "transforms", None):
            continue  # equal weights: their errors are not those of `_loss`
        outputs = [each.answers[name].logits.float() for each in evaluations if name in each.answers]
        outputs += [torch.cat(trees[name])] if name in trees else []
        members = answers(task, torch.stack(outputs))
        weights[name] = greedy_weights(members, partial(_loss, task, of_task.targets, counted))
    return weights


def _loss(task: Task, targets: Tensor, counted: Tensor, mean: Tensor) -> float:
    if type(task) is Classification:
        p = mean[counted].gather(1, targets[counted].unsqueeze(1)).clamp_min(_LEAST_PROBABILITY)
        return float(-p.log().mean())
    if type(task) is MultiLabel:
        p = mean.clamp(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
        return float(-(targets * p.log() + (1 - targets) * (1 - p).log())[counted].mean())
    return float((mean - targets).square()[counted].mean())


def described(model: TableEnsemble) -> str:
    """Return the weights in words, such as ``income: 0.35 net 1, 0.65 trees``."""
    lines = []
    for name, weight in model.member_weights.items():
        members = [f"net {i + 1}" for i, net in enumerate(model.nets) if name in net.tasks] + ["trees"] * (
            f"task {name}" in model.trees
        )
        lines.append(f"{name}: " + ", ".join(f"{w:.2f} {m}" for w, m in zip(weight, members, strict=True)))
    return "; ".join(lines)
