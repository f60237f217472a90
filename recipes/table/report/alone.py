"""Trainings beside the model: a net on each input alone, and one that only concatenates them."""

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
from sennit.recipes.table.training.plan import readable_rows
from sennit.recipes.table.training.train import make_loader, train
from sennit.tasks import MultiTaskModel, evaluate
from sennit.tasks.metrics import Answers

_ONE_NET: dict[str, Any] = {"nets": 1, "shallow": False, "separate": False, "alone": False, "resume": None}
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
    """Train a net on each input alone and one that concatenates all; return them, and remarks.

    Each is one net with the settings of the model. All together take at most twice the time of the model's
    own training, and at most what the run has left.

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
    if results.seconds == 0:
        return [], ["No input is trained alone with this preset; --preset medium does."]
    seconds = 2 * results.record.seconds
    if results.seconds is not None:
        seconds = min(seconds, results.seconds)
    end, trained, notes = time.monotonic() + seconds, [], []
    variants = list(_variants(results, names))
    for i, (name, config, inputs) in enumerate(variants):
        share = (end - time.monotonic()) / (len(variants) - i)
        if share < _SHORTEST:
            left = ", ".join(name for name, *_ in variants[i:])
            notes.append(f"Not trained, as there is no time left: {left}.")
            break
        print(f"For the report: {name}, {share:.0f} s at the latest.", flush=True)
        trained.append(Trained(name, _answers(results, rows, config, inputs, share)))
    return trained, notes


def _variants(results: Results, names: list[str]) -> Iterator[tuple[str, Config, list[str]]]:
    """Yield the name, the options and the inputs of each training that differs from the model's."""
    options = {option.name for option in fields(results.config)}
    one_net = replace(results.config, **{k: v for k, v in _ONE_NET.items() if k in options})
    for name in names:
        yield f"{name} alone", one_net, [name]
    if results.config.fusion != "concat" or type(results.model) is not MultiTaskModel:
        yield "all, concatenated", replace(one_net, fusion="concat"), names


def _answers(
    results: Results, rows: Rows, config: Config, inputs: list[str], seconds: float
) -> dict[str, Answers]:
    assert results.test is not None
    schema = results.schema.with_inputs(inputs)
    fewer = readable_rows(schema, rows)
    with tempfile.TemporaryDirectory() as folder:
        model, _ = train(config, schema, fewer, Path(folder), say=lambda text: None, max_time=seconds)
    evaluation = evaluate(model, make_loader(config, schema, fewer, "test", model))
    readable = {*fewer.subsets["test"]}
    kept = torch.tensor([i in readable for i in rows.subsets["test"]])
    every = {}
    for name, answers in evaluation.answers.items():
        of_model = results.test.answers[name]
        logits = answers.logits.new_zeros(len(kept), *answers.logits.shape[1:])
        logits[kept] = answers.logits
        every[name] = replace(of_model, logits=logits, readable=of_model.readable & kept)
    return every
