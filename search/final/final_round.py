"""The final round: every finalist tuned from the same start, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.progress import Progress

from sennit.search.final.finalists import FOUND, Finalist, choose_finalists
from sennit.search.final.margin import Scored, choose, paired_difference
from sennit.search.final.result import FinalResult, FinalRow
from sennit.search.final.training import monitored
from sennit.search.final.tuned import Outcome
from sennit.search.final.tuner import Tuner
from sennit.search.records import Record
from sennit.tasks import MultiTaskModel


def run_final(
    tuner: Tuner, records: Sequence[Record], *, groups: Sequence[int] | None, progress: bool
) -> tuple[MultiTaskModel, FinalResult]:
    """Tune the finalists and choose; return the chosen model, trained, and the table.

    Args:
        tuner: Training of a finalist.
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
    outcomes = []
    with Progress(disable=not progress) as bars:
        for finalist in bars.track(finalists, description="final round"):
            outcomes.append(tuner.outcome(finalist))
    size = len(tuner.caches[1])
    table = _table(tuner, finalists, outcomes, range(size) if groups is None else groups)
    return table.model(table.chosen.name), table


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
    by_name = {finalist.name: finalist for finalist in finalists}
    return FinalResult(rows, reason, lambda name: tuner.load(by_name[name]))
