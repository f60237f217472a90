"""A run: train and score every system, print the table, write the run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sennit.files import write_json, write_text
from sennit.recipes.harness import Jobs, RunFolder, provenance, run_jobs
from sennit.recipes.xvector import ranks
from sennit.recipes.xvector.checks import check_parts
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.job import jobs_of, name_of, run_job
from sennit.recipes.xvector.report import csv_of, labels_of, table_of, write_page
from sennit.recipes.xvector.scores import SystemResult, read_scores, rows_of, units_of
from sennit.recipes.xvector.speakers import held_out_of, notes_of, sample_rate_of, split


def run(config: Config, text: str) -> Path:
    """Train, choose, score; return the run folder.

    Args:
        config: Options.
        text: Options that shape the result, as YAML; a run resumes under the same.

    Raises:
        ValueError: An option or something in the corpus cannot be used.
        OSError: Data are missing, or the folder cannot be written.
    """
    check_parts(config)
    if config.sample_rate == "auto":
        config = dataclasses.replace(config, sample_rate=sample_rate_of(config))
    splits = [split(config, seed) for seed in range(config.seeds)]  # fails before a folder is made
    if ranks.helps():
        return _help(config)
    folder = RunFolder(config.output, text, resume=config.resume).path
    ranks.share(folder)
    console = Console()
    train, development, test = (corpus.describe() for corpus in splits[0])
    notes = [f"To train on: {train}.", f"To choose by: {development}.", f"To test: {test}."]
    notes += [*held_out_of(config, *splits[0]), *notes_of(config), f"Sample rate: {config.rate} Hz."]
    console.print(*notes, f"Writing to {folder}", sep="\n", soft_wrap=True)
    jobs = jobs_of(config)
    results = run_jobs(
        partial(run_job, config, folder),
        jobs,
        Jobs(folder / "jobs.jsonl"),
        workers=config.workers,
        describe=_describe,
    )
    rows = rows_of(folder, jobs, p_target=config.p_target)
    units = units_of(read_scores(folder, jobs[0]))
    write_json(folder / "metrics.json", _metrics(config, notes, units, rows, jobs, results))
    write_text(folder / "table.csv", csv_of(rows))
    _show(console, rows)
    for grid in labels_of(jobs, results):
        accuracies = Table(*grid.header, title="Labels of whole test recordings", title_justify="left")
        for line in grid.rows:
            accuracies.add_row(*line)
        console.print(accuracies)
    write_page(folder, config, [*notes, f"The bootstrap draws test {units}."], rows, jobs, results)
    console.print(f"Models: {folder / 'models'}\nReport: {folder / 'report.html'}", soft_wrap=True)
    return folder


def _help(config: Config) -> Path:
    """Train what the first process trains, and leave everything else to it."""
    folder = ranks.shared()
    done = Jobs(folder / "jobs.jsonl")
    for job in jobs_of(config):
        if done.get(job) is None:
            run_job(config, folder, job)
    return folder


def _metrics(
    config: Config,
    notes: Sequence[str],
    units: str,
    rows: Sequence[SystemResult],
    jobs: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    return {
        **provenance(),
        "data": list(notes),
        "seeds": list(range(config.seeds)),
        "interval": f"95 %, bootstrap over test {units}, drawn once for all seeds",
        "table": [dataclasses.asdict(row) for row in rows],
        "jobs": [{**job, **result} for job, result in zip(jobs, results, strict=True)],
    }


def _show(console: Console, rows: Sequence[SystemResult]) -> None:
    grid = table_of(rows)
    # With the detection costs the table would be too wide.
    shown = [i for i, name in enumerate(grid.header) if not name.endswith("minDCF")]
    table = Table(title="Equal error rate in % [95 % interval]", title_justify="left")
    for i in shown:
        name = grid.header[i].removesuffix(": EER %")
        table.add_column(name, justify="left" if i < 3 else "right", no_wrap=i != 1)
    for line in grid.rows:
        table.add_row(*(line[i] for i in shown))
    console.print(table)


def _describe(job: Mapping[str, Any]) -> str:
    return f"{name_of(job)}, {job['normalise']}, seed {job['seed'] + 1}"
