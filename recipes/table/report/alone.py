"""Nets beside the model: one on each input alone, and one that only concatenates them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from sennit.recipes.table.config import Config
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.training.ensemble import TableEnsemble, inputs_of
from sennit.recipes.table.training.plan import readable_rows
from sennit.recipes.table.training.train import make_loader, train
from sennit.tasks import MultiTaskModel, evaluate
from sennit.tasks.metrics import Answers

_ONE_NET: dict[str, Any] = {
    "nets": 1,
    "folds": 1,
    "shallow": False,
    "separate": False,
    "alone": False,
    "resume": None,
}
_SHORTEST = 2.0  # seconds


@dataclass(frozen=True)
class Trained:
    """A training beside the model.

    Attributes:
        name: Name of it, such as ``"photo alone"``.
        answers: Answers for all test rows, by target; a row without the input is not readable.
    """

    name: str
    answers: dict[str, Answers]


def train_beside(results: Results) -> tuple[list[Trained], list[str]]:
    """Return a net on each input alone and one that concatenates all, and remarks.

    Each is one net with the settings of the model: a member of it, or trained anew. All trainings
    take at most twice the time of the model's own, and at most what the run has left.

    Args:
        results: Results of a run.

    Returns:
        The trainings, and a sentence for each thing that is left out.
    """
    rows, names = results.rows, list(results.schema.inputs)
    if not isinstance(rows, Rows) or results.test is None:
        return [], ["No input is trained alone: it takes a table with test rows."]
    if len(names) < 2:
        return [], []
    schemas = {name: results.schema.with_inputs([name]) for name in names}
    subsets = {name: readable_rows(schema, rows).subsets for name, schema in schemas.items()}
    names = [name for name in names if {"train", "test"} <= {*subsets[name]}]
    members = {name: net for name, net in _members(results).items() if name in names}
    trained = [
        Trained(f"{name} alone", _answers(results, rows, members[name], [name]))
        for name in names
        if name in members
    ]
    variants = list(_variants(results, [name for name in names if name not in members]))
    if results.seconds == 0:
        return trained, ["No input is trained alone with this preset; --preset medium does."]
    seconds = 2 * results.record.seconds
    if results.seconds is not None:
        seconds = min(seconds, results.seconds)
    end, notes = time.monotonic() + seconds, []
    for i, (name, config, inputs) in enumerate(variants):
        share = (end - time.monotonic()) / (len(variants) - i)
        if share < _SHORTEST:
            left = ", ".join(name for name, *_ in variants[i:])
            notes.append(f"Not trained, as there is no time left: {left}.")
            break
        print(f"For the report: {name}, {share:.0f} s at the latest.", flush=True)
        schema = results.schema.with_inputs(inputs)
        with tempfile.TemporaryDirectory() as folder:
            net, _ = train(
                config,
                schema,
                readable_rows(schema, rows),
                Path(folder),
                say=lambda text: None,
                max_time=share,
            )
        trained.append(Trained(name, _answers(results, rows, net, inputs)))
    return trained, notes


def _members(results: Results) -> dict[str, MultiTaskModel]:
    """Return the first net of the model on each input alone, where it has one with all targets."""
    if not isinstance(results.model, TableEnsemble):
        return {}
    nets = [
        n for n in results.model.nets if len(inputs_of(n)) == 1 and len(n.tasks) == len(results.model.tasks)
    ]
    return {inputs_of(net)[0]: net for net in reversed(nets)}


def _variants(results: Results, alone: list[str]) -> Iterator[tuple[str, Config, list[str]]]:
    """Yield the name, the options and the inputs of each training that differs from the model's."""
    options = {option.name for option in fields(results.config)}
    one_net = replace(results.config, **{k: v for k, v in _ONE_NET.items() if k in options})
    for name in alone:
        yield f"{name} alone", one_net, [name]
    if results.config.fusion != "concat" or type(results.model) is not MultiTaskModel:
        yield "all, concatenated", replace(one_net, fusion="concat"), list(results.schema.inputs)


def _answers(results: Results, rows: Rows, model: MultiTaskModel, inputs: list[str]) -> dict[str, Answers]:
    assert results.test is not None
    schema = results.schema.with_inputs(inputs)
    fewer = readable_rows(schema, rows)
    evaluation = evaluate(model, make_loader(results.config, schema, fewer, "test", model))
    readable = {*fewer.subsets["test"]}
    kept = torch.tensor([i in readable for i in rows.subsets["test"]])
    every = {}
    for name, answers in evaluation.answers.items():
        of_model = results.test.answers[name]
        logits = answers.logits.new_zeros(len(kept), *answers.logits.shape[1:])
        logits[kept] = answers.logits
        every[name] = replace(of_model, logits=logits, readable=of_model.readable & kept)
    return every
