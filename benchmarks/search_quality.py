"""Quality of the strategies of a search, at equal numbers of candidates.

On each recipe's data: the best validation error so far (the mean over tasks) and the hypervolume (error and
the logarithm of the parameters, a share of the rectangle that all runs on the data span), after every
generation, with the mean and the standard deviation over seeds. A seed changes the strategy's draws and every
candidate's first weights; encoders and taps are the same for all. All candidates are compared on the same
validation data, so a best error flatters its search; test figures come from
``python -m sennit.recipes.search``.

The rows compare the genetic search with random search at a quarter, half and all of the candidates: ``ours``
and ``peer`` are means over seeds, ``ratio`` above 1 is better (the peer's error / ours, our hypervolume / the
peer's), spread is the lowest and highest ratio of two searches with the same seed. The curves are in the
file under ``curves``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks._harness import Result, arguments, report
from sennit.encoders import Encoder
from sennit.recipes.command_line import config_class, parse_options
from sennit.recipes.harness import find_recipe
from sennit.recipes.search.compared import Compared
from sennit.recipes.search.taps import freeze_taps, load_encoders, train_encoders
from sennit.search import (
    Record,
    SearchOptions,
    TapCache,
    TrainingOptions,
    hypervolumes,
    list_strategies,
    search,
)
from sennit.tasks import Task

RECIPES = {"htad": {}, "avdigits": {"pairs": 1000, "test_pairs": 1000}, "mosi": {}}
OBJECTIVES = ("error", "parameters")
COLOURS = {"genetic": "#3b76c4", "random": "#9aa5b1", "regularised_evolution": "#d9822b", "mfas": "#2a9d8f"}


@dataclass(frozen=True)
class Problem:
    """Encoders, tasks and taps of one recipe, which a worker searches on."""

    encoders: Mapping[str, Encoder]
    tasks: Mapping[str, Task]
    taps: tuple[TapCache, TapCache]
    folder: Path


def prepare(name: str, options: argparse.Namespace, folder: Path) -> Problem:
    """Train the encoders alone, and compute their taps."""
    recipe = find_recipe(name)
    data = [f"--data={options.data}"] if name != "htad" else []
    given = [f"--{k}={v}" for k, v in RECIPES[name].items()]
    arguments = [*data, *given, "--seeds=1", *(["--epochs=1"] if options.quick else [])]
    config, _ = parse_options(config_class(name), arguments, prog="search_quality")
    plain = Compared(recipe)
    train_encoders(plain, config, folder, [0])
    encoders = load_encoders(plain, config, folder, 0)
    tasks = recipe.tasks(config, recipe.modalities(config))
    taps = freeze_taps(plain, config, encoders, tasks, folder / "taps", renderings=2)
    return Problem(encoders, tasks, taps, folder)


def run(problem: Problem, strategy: str, seed: int, size: tuple[int, int], epochs: int) -> list[Record]:
    """Run one search."""
    torch.set_num_threads(1)
    result = search(
        problem.encoders,
        problem.tasks,
        *problem.taps,
        folder=problem.folder / f"{strategy}-{seed}",
        objectives=OBJECTIVES,
        start="random",
        options=SearchOptions(
            strategy=strategy,
            generations=size[0],
            population=size[1],
            training=TrainingOptions(epochs, 128),
            storage="memory",
            seed=seed,
            progress=False,
        ),
    )
    return list(result.records)


def curves_of(runs: Mapping[str, list[Record]], population: int) -> dict[str, list[list[float]]]:
    """Return by quantity and run the value after each generation."""
    best = {}
    for name, records in runs.items():
        errors = [r.evaluation.error for r in records]
        best[name] = [min(errors[:n]) for n in range(population, len(errors) + 1, population)]
    return {"best validation error": best, "hypervolume": hypervolumes(runs, OBJECTIVES)}  # type: ignore[dict-item]


def rows_of(name: str, curves: Mapping[str, Any], seeds: int, population: int) -> list[Result]:
    """Compare the genetic search with random search."""
    rows = []
    for quantity, runs in curves.items():
        count = len(runs["genetic/0"])
        for at in sorted({max(round(share * count), 1) for share in (0.25, 0.5, 1)}):
            pairs = [(runs[f"genetic/{s}"][at - 1], runs[f"random/{s}"][at - 1]) for s in range(seeds)]
            ratios = [b / a if quantity.endswith("error") else a / b for a, b in pairs]
            rows.append(
                Result(
                    f"{name}, {quantity} after {at * population}: genetic vs random",
                    round(statistics.fmean(a for a, _ in pairs), 4),
                    round(statistics.fmean(b for _, b in pairs), 4),
                    round(statistics.fmean(ratios), 4),
                    "",
                    seeds,
                    (round(min(ratios), 4), round(max(ratios), 4)),
                )
            )
    return rows


def summary(curves: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    """Return mean and standard deviation over the seeds, by quantity and strategy."""
    summaries: dict[str, Any] = {}
    for quantity, runs in curves.items():
        for strategy in dict.fromkeys(key.rpartition("/")[0] for key in runs):
            columns = list(zip(*(runs[f"{strategy}/{s}"] for s in range(seeds)), strict=True))
            summaries.setdefault(quantity, {})[strategy] = {
                "mean": [round(statistics.fmean(c), 5) for c in columns],
                "std": [round(statistics.stdev(c), 5) if seeds > 1 else 0.0 for c in columns],
            }
    return summaries


def draw(curves: Mapping[str, Mapping[str, Any]], population: int, path: Path) -> None:
    """Draw a row of two panels for each recipe, with bands of one standard deviation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6 * len(curves)))
    panels = figure.subplots(len(curves), 2, squeeze=False)
    for line, (name, quantities) in zip(panels, curves.items(), strict=True):
        for axes, (quantity, strategies) in zip(line, quantities.items(), strict=True):
            for strategy, curve in strategies.items():
                x = [population * (i + 1) for i in range(len(curve["mean"]))]
                low = [m - s for m, s in zip(curve["mean"], curve["std"], strict=True)]
                high = [m + s for m, s in zip(curve["mean"], curve["std"], strict=True)]
                axes.plot(x, curve["mean"], label=strategy, color=COLOURS.get(strategy))
                axes.fill_between(x, low, high, color=COLOURS.get(strategy), alpha=0.15, linewidth=0)
            axes.set_title(f"{name}: {quantity}", fontsize=10)
            axes.set_xlabel("candidates")
            axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].legend(loc="best", frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure, print, write."""

    def extend(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the recipes' data")
        parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))

    options = arguments("search_quality", __doc__ or "", extend)
    size, seeds, epochs = ((3, 8), 2, 2) if options.quick else ((20, 16), 5, 8)
    names = options.recipes[:1] if options.quick else options.recipes
    rows: list[Result] = []
    summaries: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            problem = prepare(name, options, Path(folder) / name)
            wanted = [(strategy, seed) for seed in range(seeds) for strategy in list_strategies()]
            with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
                jobs = {f"{s}/{k}": pool.submit(run, problem, s, k, size, epochs) for s, k in wanted}
                runs = {key: job.result() for key, job in jobs.items()}
            curves = curves_of(runs, size[1])
            rows += rows_of(name, curves, seeds, size[1])
            summaries[name] = summary(curves, seeds)
    notes = f"{size[0]} generations of {size[1]}, at most {epochs} epochs a candidate, {seeds} seeds."
    report("search_quality", rows, options.out, packages=("sennit", "torch", "optuna"), notes=notes)
    written = json.loads(options.out.read_text()) | {"population": size[1], "curves": summaries}
    options.out.write_text(json.dumps(written, indent=1) + "\n")
    draw(summaries, size[1], options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
