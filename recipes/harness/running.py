"""A whole run of a recipe: fill the table, show it, write the run folder."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from sennit.files import write_json, write_text
from sennit.recipes.harness.jobs import Jobs, run_jobs
from sennit.recipes.harness.page import write_page
from sennit.recipes.harness.provenance import provenance
from sennit.recipes.harness.recipe import C, Recipe
from sennit.recipes.harness.run import RunFolder
from sennit.recipes.harness.summary import summarise, waiting
from sennit.recipes.harness.table import TableRow, columns_of, print_table


def run_recipe(recipe: Recipe[C], config: C, text: str) -> Path:
    """Run a recipe; return the run folder.

    Args:
        recipe: Recipe.
        config: Options.
        text: Options that shape the result, as YAML; a run resumes under the same.

    Raises:
        ValueError: An option names a fusion or another part that does not exist.
    """
    recipe.check(config)
    jobs = recipe.jobs(config)  # before the folder is made: without data there is no run
    folder = RunFolder(config.output, text, files=recipe.files(config), resume=config.resume).path
    fill(recipe, config, jobs, folder)
    return folder


def fill(recipe: Recipe[C], config: C, jobs: Sequence[Mapping[str, Any]], folder: Path) -> list[TableRow]:
    """Run the jobs without a result in the folder, show the table and write the folder's files."""
    console = Console()
    console.print(f"[dim]{recipe.licence}[/dim]")
    console.print(f"Writing to {folder}", soft_wrap=True)
    done = Jobs(folder / "jobs.jsonl")
    if taken := sum(done.get(job) is not None for job in jobs):
        console.print(f"{taken} of {len(jobs)} results are those of {done.date}, when it last ran.")
    results = run_jobs(
        partial(recipe.run_job, config, folder),
        jobs,
        done,
        workers=config.workers,
        describe=partial(_describe, recipe),
    )
    rows = summarise(recipe, config, jobs, results)
    waited = waiting(results)
    write_json(
        folder / "metrics.json",
        {
            **provenance(),
            "seeds": list(range(config.seeds)),
            "licence": recipe.licence,
            "std": f"over {recipe.spread}",
            "interval": "95 %, bootstrap over seeds and test units",
            "waiting": waited,
            "table": [dataclasses.asdict(r) for r in rows],
            **recipe.further_metrics(config, jobs, results),
        },
    )
    write_text(folder / "table.csv", _csv(rows))
    main = [r for r in rows if not r.ablation]
    columns = columns_of(main, recipe.protocols)
    print_table([r for r in rows if (r.task, r.protocol) in columns], title=recipe.title, columns=columns)
    if left_out := max((result.get("left_out", 0) for result in results), default=0):
        console.print(
            f"Each epoch leaves out {left_out} training samples or fewer, which fill no batch: other ones in "
            f"each."
        )
    if waited is not None:
        console.print(
            f"Waited for data {waited[0]:.1%} of the training time, {waited[1]:.1%} in the worst job."
        )
    write_page(recipe, config, folder / "report.html", rows, jobs, results)
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)
    return rows


def _csv(rows: Sequence[TableRow]) -> str:
    file = io.StringIO()
    names = [f.name for f in dataclasses.fields(TableRow)]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        values = [getattr(row, name) for name in names]
        writer.writerow([" ".join(map(str, v)) if isinstance(v, (list, tuple)) else v for v in values])
    return file.getvalue()


def _describe(recipe: Recipe[Any], job: Mapping[str, Any]) -> str:
    words = [recipe.ablation(job) or job["row"], f"seed {job['seed'] + 1}"]
    if len(recipe.protocols) > 1:
        words.append(recipe.protocols[job["protocol"]])
    if "fold" in job:
        words.append(f"fold {job['fold'] + 1}")
    return ", ".join(words)
