"""The searches of one seed, and their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sennit.fusion import FUSIONS
from sennit.recipes.command_line import Options
from sennit.recipes.harness import Splits
from sennit.recipes.harness.scores import batches, scores_of
from sennit.recipes.search.compared import SAME_START, Compared
from sennit.recipes.search.options import SearchCommand
from sennit.recipes.search.taps import collate_of, load_encoders
from sennit.search import (
    Final,
    RepeatableBatches,
    SearchOptions,
    SearchResult,
    Space,
    TrainingOptions,
    search,
)
from sennit.tasks import MultiTaskModel, Task, evaluate

_BATCH = 128  # samples a step of a candidate; smaller batches are slower on a CPU
_TEST = 512
RANDOM = "random"


@dataclass(frozen=True)
class SeedSearch:
    """The searches of one seed; they are pickled for worker processes.

    Args:
        options: Options of the search.
        config: Options of the recipe.
        compared: Recipe.
        folder: Folder of the run.
        trained: Folder of the encoders.
    """

    options: SearchCommand
    config: Options
    compared: Compared
    folder: Path
    trained: Path

    def __call__(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Search, test every finalist, and return plain JSON values; a killed call resumes."""
        data = self.data(job["seed"])
        results = self.results(job["seed"])
        main = next(iter(results.values()))
        assert main.final is not None
        rows = {}
        for row in main.final.rows:
            name = f"{row.name}{SAME_START}" if row.kind == "by hand" else row.name
            rows[name] = self._tested(main.final.model(row.name), data) | {
                "validation": row.tuned,
                "frozen": row.frozen,
                "seconds": row.seconds,
            }
        chosen = main.final.chosen
        rows["found"] = rows[f"{chosen.name}{SAME_START}" if chosen.kind == "by hand" else chosen.name]
        rows["best found"] = rows[main.final.best_found.name]
        if RANDOM in results:
            final = results[RANDOM].final
            assert final is not None
            best = final.best_found
            rows["random search"] = self._tested(final.model(best.name), data) | {
                "validation": best.tuned,
                "frozen": best.frozen,
                "seconds": best.seconds,
            }
        assert main.model is not None
        main.model.save_pretrained(self.folder / "checkpoints" / f"found-seed-{job['seed']}")
        return {
            "rows": rows,
            "final": {name: result.final.to_dict() for name, result in results.items() if result.final},
            "errors": {name: result.best.evaluation.error for name, result in results.items()},
        }

    def results(self, seed: int) -> dict[str, SearchResult]:
        """Return the result of each strategy's search, from the run's folder where it is complete."""
        options, config = self.options, self.config
        encoders = load_encoders(self.compared, config, self.trained, seed)
        tasks, data = self.tasks(), self.data(seed)
        collate = None if hasattr(data.train, "collate") else collate_of(encoders, tasks)
        read = RepeatableBatches(data.train, collate=collate, prepare=None, batch_size=256, seed=0)
        augmented = read.changes()
        space = Space.of(encoders, tasks, widths=sorted({max(config.width // 2, 1), config.width}))
        results = {}
        for strategy in dict.fromkeys((options.strategy, RANDOM)):
            results[strategy] = search(
                encoders,
                tasks,
                data.train,
                data.validation,
                folder=self.folder / "search" / f"seed-{seed}",
                name=strategy,
                space=space,
                objectives=(f"error/{self.judged()}",),
                start="random" if strategy == RANDOM else "known",
                final=Final(
                    candidates=options.finalists,
                    against=against(config.fusions),
                    epochs=options.final_epochs,
                    lr=options.final_lr,
                    weight_decay=config.weight_decay,
                    batch_size=config.batch_size,
                    modality_dropout=config.modality_dropout,
                    margin=options.margin,
                ),
                groups=data.validation_units,
                options=SearchOptions(
                    strategy=strategy,
                    generations=options.generations,
                    population=options.population,
                    training=TrainingOptions(
                        options.candidate_epochs, _BATCH, modality_dropout=config.modality_dropout
                    ),
                    collate=collate,
                    renderings=options.renderings if augmented else 1,
                    key=f"seed {seed}",
                    seed=options.search_seed,
                    progress=False,
                ),
            )
        return results

    def data(self, seed: int) -> Splits:
        """Return the data of a seed, of all modalities."""
        return self.compared.data(self.config, self.compared.modalities(self.config), seed)

    def tasks(self) -> dict[str, Task]:
        """Return the tasks with labels and heads of their own."""
        tasks = self.compared.tasks(self.config, self.compared.modalities(self.config))
        return {name: task for name, task in tasks.items() if task.target and not task.of}

    def judged(self) -> str:
        """Return the task by which the recipe chooses its epochs."""
        return judged_task(self.compared.monitor, self.compared.metrics(self.config))

    def _tested(self, model: MultiTaskModel, data: Splits) -> dict[str, Any]:
        evaluation = evaluate(model, batches(model, data.test, _TEST))
        units = range(len(data.test)) if data.units is None else data.units
        return {
            "tasks": scores_of(evaluation, self.compared.metrics(self.config)),
            "units": [int(unit) for unit in units],
        }


def judged_task(monitor: str | None, metrics: Mapping[str, str]) -> str:
    """Return the task of the value by which a recipe chooses its epochs; the first of its metrics by default.

    Example:
        >>> judged_task("val/digit/accuracy", {"speaker": "accuracy"}), judged_task(None, {"y": "r2"})
        ('digit', 'y')
    """
    parts = [] if monitor is None else monitor.split("/")
    return parts[1] if len(parts) == 3 else next(iter(metrics))


def against(fusions: Sequence[str]) -> tuple[str, ...]:
    """Return the fusions that can start with trained encoders, plain concatenation first.

    Early fusions have no encoders of single modalities, and some are measured on the data before training.

    Example:
        >>> against(["early_concat", "gated", "concat"])
        ('concat', 'gated')
    """
    fit = [name for name in fusions if FUSIONS.get(name).stage != "early" and not FUSIONS.get(name).fits]
    return tuple(dict.fromkeys(("concat", *fit)))
