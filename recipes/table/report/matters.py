"""Which input matters, and which column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from matplotlib.figure import Figure

from sennit.html_page import Block, Grid, Heading, Picture, Text
from sennit.recipes.table.report.columns import Drop, column_importance
from sennit.recipes.table.report.intervals import Interval, gain_over
from sennit.recipes.table.report.modalities import Importance, modality_importance
from sennit.recipes.table.report.panels import panel, plain
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.sampled import Sampled, sampled
from sennit.recipes.table.report.scores import shown
from sennit.recipes.table.report.scoring import metrics_of

_MOST_BARS, _MOST_FORWARDS = 15, 400


def importance_part(results: Results) -> Part:
    """Return how much each input and each column matters, by test rows at random."""
    rows = sampled(results)
    if rows is None:
        return Part([Heading("Which input matters"), Text("Not measured: it takes test rows of a table.")])
    parts = [_inputs(results, rows), _columns(results, rows)]
    return Part([b for part in parts for b in part.blocks], {**parts[0].figures, **parts[1].figures})


def _inputs(results: Results, rows: Sampled) -> Part:
    """Return the importance of each modality, and the scores without it and with it alone."""
    heading, names = Heading("Which input matters"), list(results.schema.inputs)
    if len(names) < 2:
        return Part([heading, Text(f"The model reads one input, {names[0]}: there is none to leave out.")])
    importance = modality_importance(results.model, rows.batches)
    lines, figures = [], {}
    for name, of_target in importance.items():
        figures[name] = {modality: _figures(results, name, of_target, modality, rows) for modality in names}
        for modality, values in figures[name].items():
            lost = values["loss_without"]
            cells = [
                f"{values['share']:.0%}" if "share" in values else "",
                shown(values["without"]),
                "" if lost is None else str(Interval(**lost)),
                shown(values["alone"]),
            ]
            lines.append([name, modality, *cells])
    metrics = ", ".join(f"{n}: {results.schema.targets[n].monitored.replace('_', ' ')}" for n in importance)
    about = (
        f"By {len(rows)} test rows ({metrics}). The part is how far the answer moves when the input is added "
        f"to the others, over all orders (Shapley). The scores are of this model with the input hidden, and "
        f"with all others hidden, of the rows that still have one; what is lost has its 95 % interval."
    )
    header = [
        "target",
        "input",
        "part in the answer",
        "score without it",
        "lost without it",
        "score by it alone",
    ]
    return Part([heading, Grid(header, lines), Text(about)], {"modalities": figures})


def _figures(
    results: Results, name: str, importance: Importance, modality: str, rows: Sampled
) -> dict[str, Any]:
    task, metric = results.model.tasks[name], results.schema.targets[name].monitored
    without, alone = importance.without[modality], importance.alone[modality]
    lost = gain_over(task, metric, importance.every, without, rows.units)
    share = {"share": round(importance.shares[modality], 6)} if importance.shares else {}
    return {
        "without": metrics_of(task, without.logits, without).get(metric),
        "loss_without": None if lost is None else asdict(lost),
        "alone": metrics_of(task, alone.logits, alone).get(metric),
        **share,
    }


def _columns(results: Results, rows: Sampled) -> Part:
    """Return how much the score drops when the cells of a column change places among the rows."""
    heading = Heading("Which column matters")
    columns = sum(len(spec.column_names) for spec in results.schema.inputs.values())
    if columns < 2:
        return Part()
    if columns > _MOST_FORWARDS:
        return Part([heading, Text(f"Not measured: there are {columns} columns.")])
    repeats = max(1, min(5, _MOST_FORWARDS // columns))
    metrics = {name: target.monitored for name, target in results.schema.targets.items()}
    drops = column_importance(results.model, rows.batches, metrics, repeats=repeats)
    pictures: list[Block] = [
        Picture(_bars(of_target), f"{name}: drop of {metrics[name].replace('_', ' ')}")
        for name, of_target in drops.items()
    ]
    about = (
        f"Drop of the score when the cells of a column change places: {repeats} times among {len(rows)} test "
        f"rows, with one standard deviation. Columns that say the same share their importance."
    )
    figures = {name: {c: asdict(drop) for c, drop in of_target.items()} for name, of_target in drops.items()}
    return Part([heading, Text(about), *pictures] if drops else [], {"columns": figures})


def _bars(drops: Mapping[str, Drop]) -> Figure:
    largest = sorted(drops, key=lambda column: -drops[column].mean)[:_MOST_BARS]
    figure, axes = panel(height=0.7 + 0.24 * len(largest))
    axes.barh(
        range(len(largest)),
        [drops[c].mean for c in largest],
        xerr=[drops[c].std for c in largest],
        height=0.7,
        color="#3b76c4",
        error_kw={"elinewidth": 1, "ecolor": "#57606a"},
    )
    axes.set_yticks(range(len(largest)), [plain(c) for c in largest])
    axes.locator_params(axis="x", nbins=5)
    axes.axvline(0, color="#8c959f", linewidth=1)
    axes.invert_yaxis()
    return figure
