"""The steps of a search; a run that was killed resumes within the step where it stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sennit.recipes.command_line import Options
from sennit.recipes.harness import Jobs, RunFolder, comparison_folder, find_recipe, print_table, run_jobs
from sennit.recipes.harness.summary import summarise
from sennit.recipes.harness.table import columns_of
from sennit.recipes.search.compared import SAME_START, SEARCHED, Compared
from sennit.recipes.search.options import SearchCommand
from sennit.recipes.search.report import Outcome, write_results
from sennit.recipes.search.seed import SeedSearch, against
from sennit.recipes.search.stages import Stages
from sennit.recipes.search.taps import train_encoders, train_jobs
from sennit.registry import check_names
from sennit.search import list_strategies


def run(options: SearchCommand, config: Options, text: str) -> Path:
    """Search, tune and compare; return the run folder.

    Args:
        options: Options of the search.
        config: Options of the recipe.
        text: Options that shape the result, as YAML; a run resumes under the same.

    Raises:
        ValueError: An option is invalid, or the recipe has fewer than two modalities.
        OSError: Data are missing, or the folder cannot be written.
    """
    recipe = find_recipe(options.recipe)
    options.check()
    recipe.check(config)
    check_names("strategy", [options.strategy], list_strategies())
    names = recipe.modalities(config)
    if len(names) < 2:
        raise ValueError(f"the recipe of a search should have two modalities or more. Found {list(names)}.")
    recipe.jobs(config)  # fails without data, before there is a run
    files = recipe.files(config)
    folder = RunFolder(options.output / recipe.name, text, files=files, resume=options.resume).path
    console, stages, compared = Console(), Stages(folder), Compared(recipe)
    console.print(f"[dim]{recipe.licence}[/dim]")
    console.print(f"Writing to {folder}", soft_wrap=True)
    seeds = options.seeds(config)
    # All runs with the same options of the recipe share the results that do not depend on the search.
    root = options.output / recipe.name / "trained"
    alone = comparison_folder(recipe, config, root)
    with stages("Each modality alone"):
        jobs, results = train_encoders(compared, config, alone, seeds)
    search = SeedSearch(options, config, compared, folder, alone)
    with stages("Searches and final rounds"):
        searched = run_jobs(
            search,
            [{"seed": seed} for seed in seeds],
            Jobs(folder / "seeds.jsonl"),
            workers=min(config.workers, len(seeds)) if len(seeds) > 1 else 0,
            describe=lambda job: f"seed {job['seed']}",
        )
    longer = dataclasses.replace(config, epochs=config.epochs + options.final_epochs)
    rows = dict.fromkeys(("concat", *config.fusions))
    with stages("The recipe's fusions from scratch"):
        scratch = [compared.job(row, seed) for seed in seeds for row in rows]
        trained = train_jobs(compared, longer, comparison_folder(recipe, longer, root), scratch)
    jobs, results = [*jobs, *scratch], [*results, *trained]
    shown = [*SEARCHED, *(f"{name}{SAME_START}" for name in against(config.fusions))]
    for seed, result in zip(seeds, searched, strict=True):
        for row in (name for name in shown if name in result["rows"]):
            jobs.append(compared.job(row, seed))
            results.append(result["rows"][row])
    table = summarise(compared, config, jobs, results)
    print_table(table, title=recipe.title, columns=columns_of(table, recipe.protocols))
    by_seed = _by_seed(jobs, results, seeds)
    outcome = Outcome(search.results(seeds[0]), searched, table, by_seed, stages.seconds)
    page = write_results(folder, search, outcome)
    model = folder / "checkpoints" / f"found-seed-{seeds[0]}"
    console.print(f"Chosen model: {model}\nReport: {page}", soft_wrap=True)
    return folder


def _by_seed(
    jobs: Sequence[Mapping[str, Any]], results: Sequence[Any], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the results of all rows, for each seed."""
    return [
        {job["row"]: result for job, result in zip(jobs, results, strict=True) if job["seed"] == seed}
        for seed in seeds
    ]
