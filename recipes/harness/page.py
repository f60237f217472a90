"""The report of a run: the blocks of every recipe, and those that a recipe adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sennit.html_page import Block, Grid, Heading, Picture, Text, write_report
from sennit.recipes.command_line import Options
from sennit.recipes.harness.bars import bars
from sennit.recipes.harness.drawing import draw_model
from sennit.recipes.harness.provenance import command, versions
from sennit.recipes.harness.recipe import Recipe
from sennit.recipes.harness.summary import waiting
from sennit.recipes.harness.table import Columns, TableRow, columns_of, find, methods_of

Entries = Sequence[Mapping[str, Any]]

INTERVALS = (
    "In brackets: 95 % intervals by the bootstrap, which draws seeds and test units with replacement, the "
    "units once for all seeds, since these share the test data. The columns «against concat» are the "
    "difference to plain concatenation on the n samples of a seed that both answered, with the interval of "
    "the paired bootstrap. An interval without 0 is a difference that other seeds and another test set of "
    "this kind would probably show too."
)


def write_page(
    recipe: Recipe[Any],
    config: Options,
    path: Path,
    rows: Sequence[TableRow],
    jobs: Entries,
    results: Entries,
) -> None:
    """Write ``report.html``."""
    main = [r for r in rows if not r.ablation]
    columns = columns_of(main, recipe.protocols)
    blocks: list[Block] = [Text(text) for text in recipe.about]
    blocks += [Heading("Results"), Text(f"Mean ± standard deviation over {recipe.spread}.")]
    blocks += [method_table(main, columns)]
    if any(r.interval for r in main):
        blocks += [interval_table(main, columns), Text(INTERVALS)]
    blocks.append(
        Picture(bars(main, columns), f"By method; bars: one standard deviation over {recipe.spread}")
    )
    blocks += _missing(recipe, config, columns, jobs, results)
    blocks += _weights(recipe, config, jobs, results)
    blocks += recipe.sections(config, rows, jobs, results)
    declared = recipe.declared(config)
    model = recipe.build(config, recipe.modalities(config), declared)
    blocks += [Heading(f"The model: {declared}")]
    blocks.append(Picture(draw_model(model), "From input to loss"))
    blocks += [Heading("Training"), *_training(recipe, main, jobs, results)]
    blocks += [Heading("Data"), Text(recipe.licence), Heading("This run"), Text(command())]
    blocks.append(Text(", ".join(f"{name} {version}" for name, version in versions().items())))
    write_report(path, title=recipe.title, blocks=blocks)


def _label(name: str, default: bool) -> str:
    return f"{name} (default)" if default else name


def method_table(rows: Sequence[TableRow], columns: Columns) -> Grid:
    """Return the table of results: a row for each method, a column for each task and protocol."""
    methods = methods_of(rows)
    lines = [
        [group, _label(name, default)]
        + [row.text if (row := find(rows, name, column)) else "" for column in columns]
        for group, name, default in methods
    ]
    marked = frozenset(i for i, (_, _, default) in enumerate(methods) if default)
    return Grid(["stage", "method", *columns.values()], lines, marked)


def interval_table(rows: Sequence[TableRow], columns: Columns) -> Grid:
    """Return the table of results with intervals, and the differences to plain concatenation."""
    lines = []
    for _, name, default in methods_of(rows):
        of_method = [find(rows, name, column) for column in columns]
        lines.append(
            [
                _label(name, default),
                *[
                    f"{r.mean:.3f} [{r.interval[0]:.3f}, {r.interval[1]:.3f}]" if r and r.interval else ""
                    for r in of_method
                ],
                *[
                    "{:+.3f} [{:+.3f}, {:+.3f}]".format(*r.difference) + f", n = {r.compared}"
                    if r and r.difference
                    else ""
                    for r in of_method
                ],
            ]
        )
    words = list(columns.values())
    return Grid(["method", *words, *[f"{text}: against concat" for text in words]], lines)


def _missing(
    recipe: Recipe[Any], config: Options, columns: Columns, jobs: Entries, results: Entries
) -> list[Block]:
    """Return the scores with each modality left out; blank for a task that needs the modality."""
    modalities = recipe.modalities(config)
    lines = []
    for fusion in config.fusions:
        line = [fusion]
        for task, protocol in columns:
            of_fusion = _of(recipe, jobs, results, fusion, protocol)
            line.append(_mean([r["tasks"].get(task, {}).get("score") for r in of_fusion]))
            line += [
                _mean([r.get("missing", {}).get(m, {}).get(task) for r in of_fusion]) for m in modalities
            ]
        if any(line[1:]):
            lines.append(line)
    head = [
        f"{text}: {what}" for text in columns.values() for what in ("all", *(f"no {m}" for m in modalities))
    ]
    if not lines:
        return []
    return [Heading("With a modality missing at test"), Grid(["fusion", *head], lines)]


def _weights(recipe: Recipe[Any], config: Options, jobs: Entries, results: Entries) -> list[Block]:
    lines = []
    for fusion in config.fusions:
        for protocol, text in recipe.protocols.items():
            weights = [r["weights"] for r in _of(recipe, jobs, results, fusion, protocol) if "weights" in r]
            if weights:
                means = [_mean([w[m] for w in weights]) for m in recipe.modalities(config)]
                lines.append([fusion, text, *means])
    head = ["modality weights (of fusions that have any)", "protocol", *recipe.modalities(config)]
    return [Grid(head, lines)] if lines else []


def _training(recipe: Recipe[Any], rows: Sequence[TableRow], jobs: Entries, results: Entries) -> list[Block]:
    lines = []
    for _, name, default in methods_of(rows):
        trained = [
            r
            for protocol in recipe.protocols
            for r in _of(recipe, jobs, results, name, protocol)
            if "waiting" in r
        ]
        if trained:
            seconds = [r["seconds"] for r in trained]
            chosen = [", ".join(f"{k} {v}" for k, v in r["chosen"].items()) for r in trained]
            counts = "; ".join(f"{c}: {chosen.count(c)}×" for c in dict.fromkeys(chosen) if c)
            waited = f"{np.mean([r['waiting'] for r in trained]):.1%}"
            lines.append(
                [_label(name, default), f"{np.mean(seconds):.1f}", f"{sum(seconds) / 60:.1f}", waited, counts]
            )
    waited_in_all = waiting(results)
    if waited_in_all is None:
        return []
    head = ["method", "seconds a job", "minutes in all", "waited for data", "chosen on validation data"]
    if not any(line[-1] for line in lines):
        head, lines = head[:-1], [line[:-1] for line in lines]
    return [
        Text(
            f"Waiting for data took {waited_in_all[0]:.1%} of the training time, {waited_in_all[1]:.1%} in "
            f"the worst job. Times are of one thread, beside the other workers."
        ),
        Grid(head, lines),
    ]


def _of(
    recipe: Recipe[Any], jobs: Entries, results: Entries, row: str, protocol: str
) -> list[Mapping[str, Any]]:
    """Return the results of a method under a protocol, without ablations."""
    return [
        result
        for job, result in zip(jobs, results, strict=True)
        if (job["row"], job["protocol"]) == (row, protocol) and recipe.ablation(job) is None
    ]


def _mean(values: Sequence[float | None]) -> str:
    numbers = [v for v in values if v is not None]
    return f"{np.mean(numbers):.3f}" if numbers else ""
