"""The report of a run: how good the answers are, beside simpler models, and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from torch import Tensor

from sennit.files import write_json
from sennit.html_page import Block, Code, Grid, Heading, Items, Text, write_report
from sennit.recipes.harness import provenance
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.advice import advice
from sennit.recipes.table.report.beside import beside_part
from sennit.recipes.table.report.curves import training_part
from sennit.recipes.table.report.data_part import data_part
from sennit.recipes.table.report.intervals import intervals, units_of
from sennit.recipes.table.report.least_certain import least_certain_part
from sennit.recipes.table.report.linear import ABOUT as ABOUT_LINEAR
from sennit.recipes.table.report.matters import importance_part
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.peers import peer_answers
from sennit.recipes.table.report.predictions import write_predictions
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.scores import scores
from sennit.recipes.table.report.settings import settings_part
from sennit.recipes.table.report.slowest import slowest_part
from sennit.recipes.table.report.target import target_part
from sennit.recipes.table.report.tree import ABOUT as ABOUT_TREE
from sennit.recipes.table.usage import prediction_command

_PARTS: Sequence[Callable[[Results], Part]] = (
    beside_part,
    importance_part,
    least_certain_part,
    slowest_part,
    training_part,
    data_part,
    settings_part,
)


def report(results: Results) -> None:
    """Write ``report.html``, ``metrics.json`` and, where there are test rows, ``predictions.csv``.

    Args:
        results: Results of the run.
    """
    others, notes = _others(results)
    units, drawn = (None, "") if results.test is None else units_of(results)
    scored = {} if units is None else intervals(results, others, units)
    first = scores(results, others, scored, drawn, notes)
    parts = [first]
    parts += [target_part(results, name) for name in (results.test.metrics if results.test else ())]
    parts += [part(results) for part in _PARTS]
    figures = {key: value for part in parts for key, value in part.figures.items()}
    said = advice(results, scored, figures)
    blocks: list[Block] = [Text(_summary(results)), *first.blocks]
    blocks += [Heading("What follows"), Items(said)] if said else []
    blocks += [Heading("Answers for new rows"), Code(prediction_command(results.folder))]
    blocks += [block for part in parts[1:] for block in part.blocks]
    write_json(results.folder / "metrics.json", {**provenance(), **figures, "advice": said})
    title = f"A model of {', '.join(results.schema.targets)}"
    write_report(results.folder / "report.html", title=title, blocks=blocks)
    if results.test is not None:
        write_predictions(results.folder / "predictions.csv", results, results.test)
    for grid in (block for block in first.blocks if isinstance(block, Grid)):
        _print(grid)
    print(*said, sep="\n")


def _others(results: Results) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """Return the outputs of simpler models for the test rows, and remarks about them."""
    rows = results.rows
    if results.test is None:
        return {}, []
    if not isinstance(rows, Rows):
        return {}, ["No tree and no linear model: they read tables, not shards."]
    tasks = {name: results.model.tasks[name] for name in results.schema.targets}
    answers, notes = peer_answers(results.schema, rows, tasks)
    return answers, [*([ABOUT_TREE, ABOUT_LINEAR] if answers else []), *notes]


def _summary(results: Results) -> str:
    sizes = results.rows.sizes
    rows = ", ".join(f"{count:,} {name}" for name, count in sizes.items())
    inputs = ", ".join(results.schema.inputs)
    return f"From {inputs}. Rows: {rows}."


def _print(grid: Grid) -> None:
    table = Table(*grid.header)
    for line in grid.rows:
        table.add_row(*line)
    Console().print(table)
