"""Members trained on all but a fold of the rows each, whose answers for that fold choose the weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from sennit.recipes.table.config import Config
from sennit.recipes.table.data.duplicates import find_copies
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.data.subsets import strata_of_rows
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.split_column import ColumnSplit
from sennit.recipes.table.schema.split_folds import FoldSplit
from sennit.recipes.table.schema.split_random import GroupSplit
from sennit.recipes.table.schema.split_time import TimeSplit
from sennit.recipes.table.training.ensemble import TableEnsemble
from sennit.recipes.table.training.shallow import ShallowModel
from sennit.recipes.table.training.train import make_loader, train
from sennit.tasks import Evaluation, Fitted, MultiTaskModel, Task, evaluate
from sennit.tasks.metrics import Answers

_FEWEST = 3  # folds that a split draws


def fold_rows(config: Config, schema: Schema, rows: Rows | Shards) -> list[Rows]:
    """Return the rows once for each fold, which is the validation subset there.

    The training and validation rows are divided, whole groups and copies in one fold, with the same share of
    each class; the test rows stay. Nothing is divided where the validation rows say how new rows differ (they
    come after the training rows in time, or a column declares them without a group), nor without such rows.

    Args:
        config: Options of the run.
        schema: Complete schema.
        rows: Rows and their subsets.

    Returns:
        Rows by fold, or none where nothing is divided.
    """
    split = schema.split
    declared = isinstance(split, ColumnSplit) and not split.group and not split.validation
    if config.folds < _FEWEST or isinstance(rows, Shards) or "validation" not in rows.subsets:
        return []
    if declared or isinstance(split, TimeSplit):
        return []
    group = split.column if isinstance(split, GroupSplit) else getattr(split, "group", None)
    column = split.column if isinstance(split, FoldSplit) else None
    pool = {*rows.subsets["train"], *rows.subsets["validation"]}
    chosen = []
    units = None if column is not None else find_copies(rows, schema).units
    names = column if column is None else rows.names(column)
    for fold in range(config.folds if names is None else len(names)):
        drawn = FoldSplit(column=column, group=group, folds=config.folds, fold=fold, seed=config.seed)
        held = [i for i in drawn.assign(rows, strata_of_rows(schema, rows), units)["test"] if i in pool]
        learned = sorted(pool - {*held})
        if held and learned:
            chosen.append(replace(rows, subsets={**rows.subsets, "train": learned, "validation": held}))
    return chosen if len(chosen) > 1 else []


def train_folds(
    config: Config,
    schema: Schema,
    folds: Sequence[Rows],
    folder: Path,
    *,
    say: Callable[[str], None],
    max_time: float | None = None,
) -> tuple[MultiTaskModel, Fitted, Evaluation]:
    """Return the members of all folds as one model, and answers for rows by members that did not learn them.

    In each fold the held rows choose epochs and weights; every row is learned by the members of all folds but
    one. The result of the training is that of the first net.

    Source: Breiman, "Bagging Predictors", Machine Learning 1996, with the folds of van der Laan, Polley &
    Hubbard, "Super Learner", 2007.

    Args:
        config: Options of the run.
        schema: Complete schema.
        folds: Rows by fold, as `fold_rows` returns them.
        folder: Folder of checkpoints and logs.
        say: Function that receives remarks for the user.
        max_time: Seconds after which the training stops; None sets no limit.
    """
    start = time.monotonic()
    models: list[TableEnsemble] = []
    evaluations: list[Evaluation] = []
    result: Fitted | None = None
    for k, rows in enumerate(folds):
        spent = time.monotonic() - start
        limit = None if max_time is None else (max_time - spent) / (len(folds) - k)
        if result is not None and limit is not None and limit < 1:
            say(f"The time is up: {k} of {len(folds)} folds are trained.")
            break
        say(f"Fold {k + 1} of {len(folds)}, held: {len(rows.subsets['validation'])} rows.")
        place = folder if k == 0 else folder / f"fold{k + 1}"
        of_fold = replace(config, seed=config.seed + 1000 * k)
        model, fitted = train(of_fold, schema, rows, place, say=say, max_time=limit)
        evaluations.append(evaluate(model, make_loader(config, schema, rows, "validation", model)))
        models.append(model if isinstance(model, TableEnsemble) else TableEnsemble([model]))
        result = result or fitted
    assert result is not None
    return joined_folds(models).eval(), result, joined_evaluations(models[0].tasks_by_name, evaluations)


def joined_folds(models: Sequence[TableEnsemble]) -> TableEnsemble:
    """Return the members of several ensembles as one, whose answer is the mean of theirs.

    Args:
        models: Ensembles of the same tasks and inputs.
    """
    weights: dict[str, Tensor] = {}
    shallow: dict[str, list[ShallowModel]] = {}
    for name in models[0].tasks:
        nets, others = [], []
        for model in models:
            count = len(model.nets_of(name))
            nets.append(model.member_weights[name][:count])
            others.append(model.member_weights[name][count:])
            shallow.setdefault(name, []).extend(model.shallow_of(name))
        weights[name] = torch.cat([*nets, *others]) / len(models)
    return TableEnsemble([net for model in models for net in model.nets], shallow=shallow, weights=weights)


def joined_evaluations(tasks: Mapping[str, Task], parts: Sequence[Evaluation]) -> Evaluation:
    """Return one evaluation of the rows of several.

    Args:
        tasks: Tasks by name.
        parts: Evaluations of the same tasks, of different rows.
    """
    answers, metrics, losses = {}, {}, {}
    for name in parts[0].answers:
        of_task = [part.answers[name] for part in parts]
        fields = ("logits", "scores", "targets", "labelled", "readable")
        whole = Answers(**{f: torch.cat([getattr(each, f) for each in of_task]) for f in fields})
        answers[name] = whole
        if not bool(tasks[name].scorable(whole.counted).any()):
            continue
        measured = tasks[name].metrics()
        tasks[name].update_metrics(measured, whole.logits, whole.targets, whole.counted)
        metrics[name] = {str(key): float(value) for key, value in measured.compute().items()}
        counts = [
            (part.losses[name], int(part.answers[name].counted.sum()))
            for part in parts
            if name in part.losses
        ]
        losses[name] = sum(loss * n for loss, n in counts) / max(1, sum(n for _, n in counts))
    excluded = {
        name: {why: sum(part.excluded[name].get(why, 0) for part in parts) for why in parts[0].excluded[name]}
        for name in parts[0].excluded
    }
    return Evaluation(metrics, losses, answers, torch.cat([part.index for part in parts]), excluded)
