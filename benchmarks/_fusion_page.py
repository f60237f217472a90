"""The result file of `fusion_accuracy` as Markdown tables and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks._fusion_plan import FAMILY, PLAIN, REFERENCE
from benchmarks._fusion_results import COMPARED, SINGLE
from sennit.recipes.harness.bars import COLOURS

WORDS = {"test": "test", "missing_30": "30 % hidden", "missing_60": "60 % hidden"}
MARKS = {"missing_30": "o", "missing_60": "x"}


def markdown(result: Mapping[str, Any]) -> str:
    """Return all tables of the page "Which fusion should I use?"."""
    blocks = ["## The multiplicative family against the mean of decisions", _family(result["statements"])]
    for data in dict.fromkeys(entry["data"] for entry in result["table"]):
        entries = [entry for entry in result["table"] if entry["data"] == data]
        stated = [entry for entry in result["statements"] if entry["data"] == data]
        finals = [entry for entry in entries if entry["final"]]
        blocks += [f"## {data}", _finals(finals, stated)]
        blocks += [f"### {data}: every fusion, one seed", _screen(entries)]
        refused = [row for row in result["rows"] if row["what"].startswith(f"{data}: ") and not row["runs"]]
        blocks += [f"- {row['what'].removeprefix(f'{data}: ')}: {row['unit']}" for row in refused]
    return "\n\n".join(blocks) + "\n"


def _grid(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(values: Mapping[str, Any], *, signed: bool = False) -> str:
    mean = f"{values['mean']:+.3f}" if signed else f"{values['mean']:.3f}"
    return mean if values["std"] is None else f"{mean} ± {values['std']:.3f}"


def _family(stated: Sequence[Mapping[str, Any]]) -> str:
    """Return for each fusion, peer and data set the difference paired by seed, and how often it is above."""
    lines = [
        [
            entry["data"],
            entry["what"],
            entry["against"],
            *(
                f"{_text(entry[side]['difference'], signed=True)} ({entry[side]['above']} of "
                f"{len(entry['seeds'])})"
                for side in COMPARED
            ),
        ]
        for entry in stated
        if entry["against"] in (REFERENCE, PLAIN) and entry["what"] in FAMILY
    ]
    return _grid(["data", "fusion", "against", *(WORDS[side] for side in COMPARED)], lines)


def _name(entry: Mapping[str, Any], tasks: Sequence[str]) -> str:
    """Return the name of a case; for a modality that is scored on fewer tasks, with these tasks."""
    scored = list(entry["tasks"])
    return str(entry["what"]) if len(scored) == len(tasks) else f"{entry['what']} ({', '.join(scored)} only)"


def _tasks(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(task for entry in entries for task in entry["tasks"]))


def _finals(entries: Sequence[Mapping[str, Any]], stated: Sequence[Mapping[str, Any]]) -> str:
    """Return the cases trained with all seeds, with the differences on test data."""
    tasks = _tasks(entries)
    by_task = tasks if len(tasks) > 1 else []
    lines = []
    for entry in entries:
        against = {s["against"]: s["test"]["difference"] for s in stated if s["what"] == entry["what"]}
        scored = entry["tasks"]
        lines.append(
            [
                entry["stage"],
                _name(entry, tasks),
                _text(entry["validation"]),
                *(_text(entry[side]) for side in COMPARED),
                *(_text(scored[task]["test"]) if task in scored else "" for task in by_task),
                *(_text(against[p], signed=True) if p in against else "" for p in (SINGLE, "concat")),
                f"{entry['seconds']:.0f}",
            ]
        )
    head = ["stage", "fusion", "validation", *(WORDS[side] for side in COMPARED)]
    head += [f"test: {task}" for task in by_task]
    return _grid([*head, f"against the {SINGLE}", "against concat", "seconds"], lines)


def _screen(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the first seed of every fusion as it was screened, the best on validation data first."""
    lines = [
        [
            entry["stage"],
            entry["what"],
            entry["how"],
            *(f"{entry[side]['each'][0]:.3f}" for side in ("validation", *COMPARED)),
        ]
        for entry in sorted(entries, key=lambda entry: -entry["validation"]["each"][0])
        if entry["screened"]
    ]
    return _grid(["stage", "fusion", "encoders", "validation", *(WORDS[side] for side in COMPARED)], lines)


def draw(entries: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw a panel for each data set: test accuracy of the finals, and marks with modalities hidden."""
    finals = [entry for entry in entries if entry["final"]]
    names = list(dict.fromkeys(entry["data"] for entry in finals))
    figure = Figure(figsize=(4.6 * len(names), 5.4), layout="constrained")
    shown: dict[str, Any] = {}
    for axes, data in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        panel = [entry for entry in finals if entry["data"] == data]
        for place, entry in enumerate(panel):
            shown[entry["stage"]] = axes.errorbar(
                entry["test"]["mean"],
                place,
                xerr=entry["test"]["std"] or 0,
                fmt="s",
                markersize=7,
                color=COLOURS[entry["stage"]],
            )
        for side, mark in MARKS.items():
            values = [entry[side]["mean"] for entry in panel]
            (shown[WORDS[side]],) = axes.plot(values, range(len(panel)), mark, color="#7a7f85", markersize=5)
        axes.set_yticks(range(len(panel)), [_name(entry, _tasks(panel)) for entry in panel], fontsize=8)
        axes.invert_yaxis()
        least = min(entry[side]["mean"] for entry in panel for side in COMPARED)
        axes.set_xlim(left=max(0.0, least - 0.05))
        axes.grid(axis="y", color="#e6e8ea")
        axes.set_axisbelow(True)
        axes.set_title(f"{data} ({len(panel[0]['seeds'])} seeds)", fontsize=10)
        axes.set_xlabel("accuracy on test data")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        list(shown.values()), list(shown), ncols=len(shown), loc="outside lower center", frameon=False
    )
    return figure
