"""The final round: every finalist tuned from the same start, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.progress import Progress

from sennit.fusion.cell.genome import Genome
from sennit.search.final.finalists import FOUND, Finalist, choose_finalists
from sennit.search.final.margin import Scored, choose, difference_of
from sennit.search.final.result import FinalResult, FinalRow
from sennit.search.final.training import monitored
from sennit.search.final.tuned import Outcome
from sennit.search.final.tuner import Tuner
from sennit.search.records import Evaluation, Record
from sennit.tasks import MultiTaskModel


def run_final(
    tuner: Tuner,
    records: Sequence[Record],
    structures: Mapping[str, Genome],
    *,
    groups: Sequence[int] | None,
    progress: bool,
) -> tuple[MultiTaskModel, FinalResult]:
    """Tune the finalists and choose; return the chosen model, trained, and the table.

    Args:
        tuner: Training of a finalist.
        records: Candidates of the search.
        structures: Structures of fusions, by which those picked by hand have errors in the folds.
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
    in_folds = {r.genome: r.evaluation for r in records if r.evaluation.folds}
    scored = []
    for finalist, outcome in zip(finalists, outcomes, strict=True):
        genome = finalist.genome or structures.get(finalist.name)
        scored.append(_scored(finalist, outcome, None if genome is None else in_folds.get(genome)))
    table = _table(tuner, finalists, outcomes, scored, range(size) if groups is None else groups)
    return table.model(table.chosen.name), table


def _scored(finalist: Finalist, outcome: Outcome, folds: Evaluation | None) -> Scored:
    loss = outcome.loss if folds is None else folds.loss
    errors = () if folds is None else folds.folds
    by_hand = finalist.kind != FOUND
    return Scored(finalist.name, by_hand, outcome.tuned, loss, outcome.parameters, outcome.answers, errors)


def _table(
    tuner: Tuner,
    finalists: Sequence[Finalist],
    outcomes: Sequence[Outcome],
    scored: Sequence[Scored],
    groups: Sequence[int],
) -> FinalResult:
    chosen, reason = choose(scored, tuner.judges, groups, margin=tuner.final.margin)
    rows = []
    for finalist, outcome, ours in zip(finalists, outcomes, scored, strict=True):
        difference, error = difference_of(ours, scored[0], tuner.judges, groups)
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
                error=None if ours is scored[0] else error,
                parameters=outcome.parameters,
                seconds=outcome.seconds,
                chosen=finalist.name == chosen,
            )
        )
    by_name = {finalist.name: finalist for finalist in finalists}
    return FinalResult(rows, reason, lambda name: tuner.load(by_name[name]))
