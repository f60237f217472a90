"""Which modality matters, and which column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from sennit.html_page import Block, Grid, Heading, Picture, Text
from sennit.recipes.table.report.columns import Drop, column_importance
from sennit.recipes.table.report.modalities import Importance, modality_importance
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.sampled import sampled
from sennit.recipes.table.report.scores import shown
from sennit.recipes.table.report.scoring import metrics_of

_MOST_BARS, _MOST_FORWARDS = 20, 400


def modality_part(results: Results) -> Part:
    """Return the importance of each modality, and the scores without it and with it alone."""
    heading, names = Heading("Which input matters"), list(results.schema.inputs)
    if len(names) < 2:
        return Part([heading, Text(f"The model reads one input, {names[0]}: there is none to leave out.")])
    rows = sampled(results)
    if rows is None:
        return Part([heading, Text("Not measured: it takes test rows of a table.")])
    loader, count = rows
    importance = modality_importance(results.model, loader)
    lines, figures = [], {}
    for name, of_target in importance.items():
        figures[name] = _modality_figures(results, name, of_target)
        for modality, values in figures[name].items():
            lines.append(
                [
                    name,
                    modality,
                    f"{values['share']:.1%}" if "share" in values else "",
                    shown(values["without"]),
                    shown(values["alone"]),
                ]
            )
    metrics = ", ".join(f"{n}: {results.schema.targets[n].monitored.replace('_', ' ')}" for n in importance)
    about = (
        f"By {count} test rows, in {metrics}. The part in the answer is how far it moves when the input is "
        f"added to the others, over all orders (Shapley); the other columns are scores of this model with "
        f"the input hidden, and with all others hidden, of the rows that still have one."
    )
    header = ["target", "input", "part in the answer", "score without it", "score with it alone"]
    return Part([heading, Grid(header, lines), Text(about)], {"modalities": figures})


def _modality_figures(results: Results, name: str, importance: Importance) -> dict[str, dict[str, Any]]:
    task, metric = results.model.tasks[name], results.schema.targets[name].monitored
    figures: dict[str, dict[str, Any]] = {}
    for modality in importance.without:
        scores = {
            "without": metrics_of(task, importance.without[modality].logits, importance.without[modality]),
            "alone": metrics_of(task, importance.alone[modality].logits, importance.alone[modality]),
        }
        figures[modality] = {key: values.get(metric) for key, values in scores.items()}
        if modality in importance.shares:
            figures[modality]["share"] = round(importance.shares[modality], 6)
    return figures


def column_part(results: Results) -> Part:
    """Return how much the score drops when the cells of a column change places among the rows."""
    heading = Heading("Which column matters")
    columns = sum(max(1, len(spec.column_names)) for spec in results.schema.inputs.values())
    rows = sampled(results)
    if columns < 2 or rows is None:
        reason = "it takes test rows of a table" if rows is None else "the model reads one column"
        return Part([heading, Text(f"Not measured: {reason}.")])
    if columns > _MOST_FORWARDS:
        return Part([heading, Text(f"Not measured: {columns} columns are more than {_MOST_FORWARDS}.")])
    loader, count = rows
    repeats = max(1, min(5, _MOST_FORWARDS // columns))
    metrics = {name: target.monitored for name, target in results.schema.targets.items()}
    drops = column_importance(results.model, loader, metrics, repeats=repeats)
    blocks: list[Block] = [heading]
    for name, of_target in drops.items():
        metric = metrics[name].replace("_", " ")
        blocks.append(Picture(_bars(of_target), f"{name}: drop of {metric} with the column permuted"))
    about = (
        f"By {count} test rows and {repeats} permutations of each column, with one standard deviation. "
        f"Columns that say the same share their importance, and each may seem to matter little."
    )
    figures = {
        name: {column: {"drop": drop.mean, "std": drop.std} for column, drop in of_target.items()}
        for name, of_target in drops.items()
    }
    return Part([*blocks, Text(about)] if drops else [], {"columns": figures})


def _bars(drops: Mapping[str, Drop]) -> Figure:
    largest = sorted(drops, key=lambda column: -drops[column].mean)[:_MOST_BARS]
    figure = Figure(figsize=(5.4, 0.9 + 0.26 * len(largest)), layout="constrained")
    axes = figure.subplots()
    axes.barh(
        range(len(largest)),
        [drops[c].mean for c in largest],
        xerr=[drops[c].std for c in largest],
        height=0.7,
        color="#3b76c4",
        error_kw={"elinewidth": 1, "ecolor": "#57606a"},
    )
    names = [c if len(c) <= 28 else f"{c[:27]}…" for c in largest]
    axes.set_yticks(range(len(largest)), names, fontsize=9)
    axes.axvline(0, color="#8c959f", linewidth=1)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure
