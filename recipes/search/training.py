"""A study over whole trainings of a recipe: what is not structure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from sennit.files import write_json
from sennit.recipes.command_line import Options
from sennit.recipes.harness import Jobs, Recipe, RunFolder, find_recipe, provenance, run_jobs
from sennit.recipes.search.options import SearchCommand
from sennit.recipes.search.stages import Stages
from sennit.recipes.search.tuned import WEIGHTING, RecipeTraining, changed, training_space
from sennit.search.training import Choices, TrainingResult, search_training

OWN, FOUND = "the recipe's own options", "found"


def run_training(options: SearchCommand, config: Options, text: str) -> Path:
    """Search the options of a recipe's training, test the best beside the recipe's own; return the folder.

    Validation data of the first seed choose. Both are then trained for every seed, and tested once.

    Args:
        options: Options of the search.
        config: Options of the recipe.
        text: Options that shape the result, as YAML; a run resumes under the same.

    Raises:
        ValueError: An option is invalid.
        OSError: Data are missing, or the folder cannot be written.
    """
    recipe = find_recipe(options.recipe)
    options.check()
    recipe.check(config)
    recipe.jobs(config)  # fails without data, before there is a run
    root = options.output / recipe.name
    folder = RunFolder(root, text, files=recipe.files(config), resume=options.resume).path
    console, stages = Console(), Stages(folder)
    console.print(f"[dim]{recipe.licence}[/dim]")
    console.print(f"Writing to {folder}", soft_wrap=True)
    with stages("Trainings"):
        result = search_training(
            RecipeTraining(recipe, config, folder / "trials", options.first_seed),
            training_space(recipe, config),
            folder=folder,
            trials=options.trials,
            timeout=options.timeout,
            workers=max(1, options.workers),
            prune_from=max(1, config.epochs // 2),
            seed=options.search_seed,
        )
    best = result.best
    with stages("The best and the recipe's own, for every seed"):
        rows = {
            name: _tested(recipe, config, choices, folder / "tested" / place, options.seeds(config))
            for name, place, choices in ((OWN, "own", {}), (FOUND, "found", best.choices))
        }
    (folder / "best.yaml").write_text(
        yaml.safe_dump({name: value for name, value in best.choices.items() if name != WEIGHTING})
    )
    _print(console, result, rows)
    results = {
        **provenance(),
        "trials": [vars(trial) for trial in result.trials],
        "best": best.number,
        "rows": rows,
        "stages": stages.seconds,
    }
    write_json(folder / "training.json", results)
    console.print(f"Options: {folder / 'best.yaml'}, for --config\nResults: {folder / 'training.json'}")
    return folder


def _tested(
    recipe: Recipe[Any], config: Options, choices: Choices, folder: Path, seeds: range
) -> dict[str, Any]:
    """Return the validation value and the score of each task on the test data, by seed."""
    options, tuned = changed(recipe, config, choices)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [tuned.job(tuned.declared(config), seed) for seed in seeds]
    results = run_jobs(
        partial(tuned.run_job, options, folder),
        jobs,
        Jobs(folder / "jobs.jsonl"),
        workers=config.workers,
        describe=lambda job: f"seed {job['seed'] + 1}",
    )
    return {
        "options": dict(choices),
        "validation": [result["validation"] for result in results],
        "test": {
            task: [result["tasks"][task]["score"] for result in results] for task in results[0]["tasks"]
        },
    }


def _print(console: Console, result: TrainingResult, rows: Mapping[str, Mapping[str, Any]]) -> None:
    states = [trial.state for trial in result.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    console.print(f"{len(states)} trainings: {counts}. Best validation value: {result.best.value:.4f}")
    for trial in result.trials:
        if trial.error is not None:
            console.print(f"training {trial.number} failed: {trial.error}")
    table = Table(title="Mean over the seeds", title_justify="left")
    table.add_column("options")
    table.add_column("validation", justify="right")
    tasks = list(rows[OWN]["test"])
    for task in tasks:
        table.add_column(f"test, {task}", justify="right")
    for name, row in rows.items():
        values = [row["validation"], *(row["test"][task] for task in tasks)]
        table.add_row(name, *(f"{sum(v) / len(v):.4f}" for v in values))
    console.print(table)
