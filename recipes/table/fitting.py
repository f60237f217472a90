"""From rows and a schema to a trained model: training, decisions, evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sennit.recipes.table.budget import Budget
from sennit.recipes.table.config import Config
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import SurvivalTarget
from sennit.recipes.table.trained import TrainedTable
from sennit.recipes.table.training.decisions import Decisions
from sennit.recipes.table.training.folds import fold_rows, train_folds
from sennit.recipes.table.training.record import Record, read_record
from sennit.recipes.table.training.train import make_loader, monitor_of, train
from sennit.tasks import Evaluation, MultiTaskModel, evaluate
from sennit.tasks.metrics.direction import leading_metric


@dataclass(frozen=True)
class FittedTable:
    """A trained model and its evaluation.

    Attributes:
        trained: Model with its schema and decisions.
        record: Record of the training.
        validation: Evaluation of the validation rows, if there are any.
        test: Evaluation of the test rows, if there are any.
    """

    trained: TrainedTable
    record: Record
    validation: Evaluation | None
    test: Evaluation | None

    @property
    def monitored(self) -> float | None:
        """Monitored value of the whole model on the validation rows; of the first net where it is an error.

        Errors are monitored in standard deviations of the target, and evaluated in its units.
        """
        monitor, of_net = self.record.monitor, self.record.fitted.best
        if monitor is None or self.validation is None:
            return of_net
        metrics, values = self.validation.metrics, []
        for name, task in self.trained.model.tasks_by_name.items():
            leading = leading_metric(task.metrics(), task.metric_names)
            if monitor == "val/mean" and leading in metrics.get(name, {}):
                values.append(metrics[name][str(leading)])
            elif monitor == f"val/{name}/{leading}" and leading in metrics.get(name, {}):
                return metrics[name][str(leading)]
        return sum(values) / len(values) if values else of_net


def fit_rows(
    config: Config,
    schema: Schema,
    rows: Rows | Shards,
    folder: Path,
    budget: Budget,
    *,
    say: Callable[[str], None],
) -> FittedTable:
    """Train a model, choose its decisions on the validation rows, and test it once.

    Args:
        config: Options of the run.
        schema: Complete schema.
        rows: Rows and their subsets.
        folder: Folder of checkpoints and logs.
        budget: Time of the command.
        say: Function that receives remarks for the user.
    """
    seconds = budget.for_training()
    if seconds is not None:
        say(f"The training stops after {seconds:.0f} s at the latest, of {budget.seconds:.0f} s in all.")
    start = time.monotonic()
    folds, validation = fold_rows(config, schema, rows), None
    if folds:
        model, fitted, validation = train_folds(config, schema, folds, folder, say=say, max_time=seconds)
    else:  # nothing is divided: as many nets of other initial weights
        more_nets = replace(config, nets=config.nets * config.folds)
        model, fitted = train(more_nets, schema, rows, folder, say=say, max_time=seconds)
    spent = time.monotonic() - start
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    if validation is None:  # else of members that did not learn the rows
        validation = _evaluated(config, schema, rows, "validation", model)
    test = _evaluated(config, schema, rows, "test", model)
    hazards = any(isinstance(target, SurvivalTarget) for target in schema.targets.values())
    fitted_to = _evaluated(config, schema, rows, "train", model) if hazards else None
    model.cpu()
    trained = TrainedTable(model, schema, Decisions.fit(schema, model, validation, fitted_to))
    record = read_record(folder, fitted, monitor_of(schema, rows), seconds=spent)
    return FittedTable(trained, record, validation, test)


def _evaluated(
    config: Config, schema: Schema, rows: Rows | Shards, subset: str, model: MultiTaskModel
) -> Evaluation | None:
    """Return the evaluation of a subset, if there is one."""
    if subset not in rows.subsets:
        return None
    return evaluate(model, make_loader(config, schema, rows, subset, model))
