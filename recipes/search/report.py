"""The results of a run: the page, and the figures behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sennit.files import write_json
from sennit.html_page import Block, Grid, Heading, Picture, Text
from sennit.recipes.command_line import Options
from sennit.recipes.harness import TableRow, command, provenance
from sennit.recipes.harness.bars import bars
from sennit.recipes.harness.page import INTERVALS, interval_table, method_table
from sennit.recipes.harness.provenance import versions
from sennit.recipes.harness.table import columns_of, find
from sennit.recipes.search.compared import Compared
from sennit.recipes.search.options import SearchCommand
from sennit.search import SearchResult, write_search_report

_TESTED = (
    "The best fusion of each search by its validation error and every fusion picked by hand, trained from "
    "scratch together with new encoders in the same way: epochs are chosen on the validation data, and the "
    "test data are used once. Mean ± standard deviation over seeds."
)


@dataclass(frozen=True)
class Outcome:
    """The results of the steps of a run.

    Attributes:
        searches: Result of each strategy's search.
        jobs: Jobs that were trained for the table.
        results: Results of these jobs.
        rows: Rows of the table.
        seconds: Seconds of each step.
    """

    searches: Mapping[str, SearchResult]
    jobs: Sequence[Mapping[str, Any]]
    results: Sequence[Mapping[str, Any]]
    rows: Sequence[TableRow]
    seconds: Mapping[str, float]


def write_results(
    folder: Path, options: SearchCommand, recipe: Compared, config: Options, outcome: Outcome
) -> Path:
    """Write ``metrics.json``, and ``report.html`` with its pictures; return the page."""
    inner = recipe.recipe
    validation = _validation(outcome)
    write_json(
        folder / "metrics.json",
        {
            **provenance(),
            "options": {k: v for k, v in dataclasses.asdict(options).items() if not isinstance(v, Path)},
            "seeds": list(range(config.seeds)),
            "licence": inner.licence,
            "interval": "95 %, bootstrap over seeds and test units",
            "winners": {
                row: {"genome": genome.to_dict(), "errors": dict(result.best.evaluation.errors)}
                for (row, genome), result in zip(
                    recipe.winners.items(), outcome.searches.values(), strict=True
                )
            },
            "validation": validation,
            "seconds": outcome.seconds,
            "table": [dataclasses.asdict(row) for row in outcome.rows],
        },
    )
    first = next(iter(outcome.searches.values()))
    return write_search_report(
        folder,
        {name: result.records for name, result in outcome.searches.items()},
        first.space,
        objectives=first.objectives,
        population=options.population,
        title=f"{inner.title}: search for a fusion",
        winners=recipe.winners,
        blocks=_blocks(recipe, config, outcome, validation),
    )


def _blocks(
    recipe: Compared, config: Options, outcome: Outcome, validation: Mapping[str, float]
) -> list[Block]:
    columns = columns_of(outcome.rows, recipe.recipe.protocols)
    blocks: list[Block] = [Heading("On the test data"), Text(_TESTED), method_table(outcome.rows, columns)]
    blocks += _chosen(recipe, config, outcome, validation)
    blocks.append(Picture(bars(outcome.rows, columns), "By method; bars: one standard deviation over seeds"))
    if any(row.interval for row in outcome.rows):
        blocks += [interval_table(outcome.rows, columns), Text(INTERVALS)]
    steps = [[name, f"{seconds:.0f}"] for name, seconds in outcome.seconds.items()]
    blocks += [Heading("This run"), Grid(["step", "seconds"], steps)]
    blocks += [Text(recipe.recipe.licence), Text(command())]
    return [*blocks, Text(", ".join(f"{name} {version}" for name, version in versions().items()))]


def _validation(outcome: Outcome) -> dict[str, float]:
    """Return each row's mean of the figure by which epochs are chosen."""
    values: dict[str, list[float]] = {}
    for job, result in zip(outcome.jobs, outcome.results, strict=True):
        values.setdefault(job["row"], []).append(result["validation"])
    return {row: float(np.mean(of_row)) for row, of_row in values.items()}


def _chosen(
    recipe: Compared, config: Options, outcome: Outcome, validation: Mapping[str, float]
) -> list[Block]:
    """Show the searches' best fusions beside the best of those picked by hand, by validation data."""
    columns = columns_of(outcome.rows, recipe.recipe.protocols)
    picked = max(config.fusions, key=lambda name: validation[name])
    lines = []
    for name in (picked, *recipe.winners):
        rows = [find(outcome.rows, name, column) for column in columns]
        lines.append([name, f"{validation[name]:.3f}", *(row.text if row else "" for row in rows)])
    words = (
        f"Of the fusions picked by hand, {picked} is best on the validation data. Beside the searches' best:"
    )
    return [Text(words), Grid(["method", "on validation data", *columns.values()], lines)]
