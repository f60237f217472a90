"""The steps of a search; a run that was killed resumes within the step where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from sennit.encoders import Encoder
from sennit.recipes.command_line import Options
from sennit.recipes.harness import RunFolder, comparison_folder, find_recipe, print_table
from sennit.recipes.harness.summary import summarise
from sennit.recipes.harness.table import columns_of
from sennit.recipes.search.compared import Compared
from sennit.recipes.search.options import SearchCommand
from sennit.recipes.search.report import Outcome, write_results
from sennit.recipes.search.stages import Stages
from sennit.recipes.search.taps import checkpoint, freeze_taps, train_encoders, train_jobs
from sennit.registry import check_names
from sennit.search import (
    SearchOptions,
    SearchResult,
    TapCache,
    TrainingOptions,
    describe_genome,
    list_strategies,
    search,
)
from sennit.tasks import Task

_BATCH = 128  # samples a step of a candidate; smaller batches are slower on a CPU


def run(options: SearchCommand, config: Options, text: str) -> Path:
    """Search, retrain and compare; return the run folder.

    Args:
        options: Options of the search.
        config: Options of the recipe.
        text: Options that shape the result, as YAML; a run resumes under the same.

    Raises:
        ValueError: An option is invalid, or the recipe has fewer than two modalities.
        OSError: Data are missing, or the folder cannot be written.
    """
    recipe = find_recipe(options.recipe)
    recipe.check(config)
    check_names("strategy", [options.strategy], list_strategies())
    names = recipe.modalities(config)
    if len(names) < 2:
        raise ValueError(f"the recipe of a search should have two modalities or more. Found {list(names)}.")
    recipe.jobs(config)  # fails without data, before there is a run
    files = recipe.files(config)
    folder = RunFolder(options.output / recipe.name, text, files=files, resume=options.resume).path
    console, stages, plain = Console(), Stages(folder), Compared(recipe)
    console.print(f"[dim]{recipe.licence}[/dim]")
    console.print(f"Writing to {folder}", soft_wrap=True)
    # All runs with the same options of the recipe share the results that do not depend on the search.
    shared = comparison_folder(recipe, config, options.output / recipe.name / "trained")
    with stages("Each modality alone"):
        encoders = train_encoders(plain, config, shared)
    tasks = {t: task for t, task in recipe.tasks(config, names).items() if task.target and not task.of}
    with stages("Frozen taps"):
        taps = freeze_taps(plain, config, encoders, tasks, shared / "taps", renderings=options.renderings)
    results = {}
    for strategy in dict.fromkeys((options.strategy, "random")):
        with stages(f"Search, {strategy}"):
            results[strategy] = _search(options, strategy, encoders, tasks, taps, folder)
    winners = {f"{strategy} search": result.best.genome for strategy, result in results.items()}
    for row, genome in winners.items():
        console.print(f"{row}: {describe_genome(genome)}", soft_wrap=True)
    with_winners = Compared(recipe, winners)
    with stages("Retraining the best fusions"):
        jobs = with_winners.jobs(config)
        scores = train_jobs(with_winners, config, folder, jobs)
    with stages("The fusions picked by hand"):
        others = plain.jobs(config)
        scores += train_jobs(plain, config, shared, others)
    jobs += others
    rows = summarise(with_winners, config, jobs, scores)
    print_table(rows, title=recipe.title, columns=columns_of(rows, recipe.protocols))
    outcome = Outcome(results, jobs, scores, rows, stages.seconds)
    page = write_results(folder, options, with_winners, config, outcome)
    model = checkpoint(with_winners, folder, f"{options.strategy} search")
    console.print(f"Best model: {model}\nReport: {page}", soft_wrap=True)
    return folder


def _search(
    options: SearchCommand,
    strategy: str,
    encoders: Mapping[str, Encoder],
    tasks: Mapping[str, Task],
    taps: tuple[TapCache, TapCache],
    folder: Path,
) -> SearchResult:
    return search(
        encoders,
        tasks,
        *taps,
        folder=folder / "search",
        name=strategy,
        options=SearchOptions(
            strategy=strategy,
            generations=options.generations,
            population=options.population,
            training=TrainingOptions(options.candidate_epochs, _BATCH),
            workers=max(options.workers, 1),
            seed=options.search_seed,
        ),
    )
