"""The final round: every finalist tuned from the same start, and the choice among them."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace

import torch
from rich.progress import Progress

from sennit.configurable import stable_json
from sennit.search.final.finalists import FOUND, Finalist, choose_finalists
from sennit.search.final.margin import Scored, choose, paired_difference
from sennit.search.final.result import FinalResult, FinalRow
from sennit.search.final.training import monitored
from sennit.search.final.tuned import WEIGHTS, Outcome
from sennit.search.final.tuner import Tuner
from sennit.search.records import Record
from sennit.tasks import MultiTaskModel


def run_final(
    tuner: Tuner, records: Sequence[Record], *, groups: Sequence[int] | None, progress: bool
) -> tuple[MultiTaskModel, FinalResult]:
    """Tune the finalists and choose; return the chosen model, trained, and the table.

    Args:
        tuner: Training of a finalist, with the folder of all final rounds of the search.
        records: Candidates of the search.
        groups: Group of each validation sample; None where each is its own.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: A fusion of ``against`` cannot take part, or the objectives are errors of several tasks
            but not of all.
    """
    monitored(tuner.tasks, tuner.judged)
    finalists = choose_finalists(records, tuner.final, tuner.width)
    for finalist in finalists:  # a fusion that does not fit is refused before anything is trained
        tuner.model(finalist, tuner.encoders)
    tuner = replace(tuner, folder=tuner.folder / _key(tuner, finalists))
    outcomes = []
    with Progress(disable=not progress) as bars:
        for finalist in bars.track(finalists, description="final round"):
            outcomes.append(tuner.outcome(finalist))
    size = len(tuner.caches[1])
    table = _table(tuner, finalists, outcomes, range(size) if groups is None else groups)
    chosen = next(f for f in finalists if f.name == table.chosen.name)
    model = tuner.model(chosen, copy.deepcopy(dict(tuner.encoders)))
    model.load_state_dict(torch.load(tuner.folder / chosen.name / WEIGHTS, weights_only=True))
    return model.eval(), table


def _key(tuner: Tuner, finalists: Sequence[Finalist]) -> str:
    """Return the name of the folder of these finalists and options."""
    settings = {
        "final": asdict(tuner.final),
        "finalists": [[f.name, f.width, None if f.genome is None else f.genome.key] for f in finalists],
        "slots": [None if f.record is None else f.record.proposal.slot for f in finalists],
        "caches": [cache.key for cache in tuner.caches],
        "tasks": {name: task.config for name, task in tuner.tasks.items()},
        "training": asdict(tuner.training),
        "judged": list(tuner.judged),
        "seed": tuner.seed,
    }
    return hashlib.sha256(stable_json(settings).encode()).hexdigest()[:12]


def _table(
    tuner: Tuner, finalists: Sequence[Finalist], outcomes: Sequence[Outcome], groups: Sequence[int]
) -> FinalResult:
    scored = [
        Scored(f.name, f.kind != FOUND, o.tuned, o.loss, o.parameters, o.answers)
        for f, o in zip(finalists, outcomes, strict=True)
    ]
    chosen, reason = choose(scored, tuner.judges, groups, margin=tuner.final.margin)
    plain, rows = outcomes[0], []
    for finalist, outcome in zip(finalists, outcomes, strict=True):
        difference, error = paired_difference(outcome.answers, plain.answers, tuner.judges, groups)
        rows.append(
            FinalRow(
                name=finalist.name,
                kind=finalist.kind,
                genome=finalist.genome,
                auxiliary=finalist.auxiliary,
                frozen=outcome.frozen,
                tuned=outcome.tuned,
                kept_frozen=outcome.kept_frozen,
                loss=outcome.loss,
                difference=difference,
                error=None if outcome is plain else error,
                parameters=outcome.parameters,
                seconds=outcome.seconds,
                chosen=finalist.name == chosen,
            )
        )
    return FinalResult(rows, reason)
