"""A search from encoders and data to the best fusions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sennit.data import Transforms
from sennit.encoders import Encoder
from sennit.search.batched.batched_evaluator import BatchedEvaluator
from sennit.search.batched.generation_trainer import Training
from sennit.search.evaluator import Objective
from sennit.search.pareto import pareto_front
from sennit.search.records import Record
from sennit.search.space import Space
from sennit.search.strategies import Strategy, create_strategy
from sennit.search.study.run_search import run_search
from sennit.search.taps.cache_taps import cache_taps
from sennit.search.taps.tap_cache import TapCache


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        records: Every candidate, in the order of generation and index.
        space: What they are from.
        objectives: The names of their values.
        population: Candidates a generation.
        strategy: What proposed them.
    """

    records: Sequence[Record]
    space: Space
    objectives: tuple[str, ...]
    population: int
    strategy: str

    @property
    def best(self) -> Record:
        """The candidate of least mean validation error; of equal ones the smallest, then the earliest."""
        return min(
            self.records, key=lambda r: (r.evaluation.error, r.costs.get("parameters", 0.0), r.proposal.slot)
        )

    @property
    def front(self) -> list[Record]:
        """The candidates that no other beats in all objectives."""
        return [self.records[i] for i in pareto_front([r.values for r in self.records])]

    def report(self, folder: str | Path) -> Path:
        """Write ``report.html``, its pictures, and the records as CSV and JSON; returns the page."""
        from sennit.search.report.search_report import write_search_report

        return write_search_report(
            Path(folder),
            {self.strategy: self.records},
            self.space,
            objectives=self.objectives,
            population=self.population,
            title="A fusion searched",
            winners={"best": self.best.genome},
        )


def search(
    encoders: Mapping[str, Encoder],
    tasks: Mapping[str, Objective],
    train: Any,
    validation: Any,
    *,
    folder: str | Path,
    name: str = "search",
    space: Space | None = None,
    strategy: str | Strategy = "genetic",
    generations: int = 20,
    population: int = 32,
    objectives: Sequence[str] = ("error", "parameters"),
    budgets: Mapping[str, float] | None = None,
    epochs: int = 10,
    batch_size: int = 64,
    lr: float = 3e-3,
    weight_decay: float = 0.01,
    patience: int = 3,
    inherit: bool = False,
    transforms: Mapping[str, Transforms] | None = None,
    collate: Callable[[Any], Any] | None = None,
    renderings: int = 1,
    workers: int = 1,
    storage: str | None = None,
    launcher: Literal["processes", "ray"] = "processes",
    heartbeat_s: float = 5.0,
    seed: int = 0,
    device: str = "cpu",
    progress: bool = True,
) -> SearchResult:
    """Find fusions of some encoders for some tasks.

    The encoders are frozen, and should be trained already, each alone or with any fusion. Their taps are
    computed once; a generation is trained as one stacked net. The same call in the same folder goes on where
    one before was killed, or returns at once what it found.

    Args:
        encoders: By modality.
        tasks: By name; each has labels and a head of its own. Their losses are summed.
        train: A dataset, batches, or a `TapCache`.
        validation: As ``train``; what is found is chosen on it, so test on other data.
        folder: For the study, the taps, and checkpoints.
        name: Of the study; several can share a folder.
        space: What to choose from; `Space.of` the encoders and tasks by default.
        strategy: One of `list_strategies`, or made already.
        generations: How many.
        population: Candidates a generation.
        objectives: All to be made small: ``"error"`` (1 − the score, the mean over the tasks),
            ``"error/<task>"``, ``"parameters"``, ``"flops"``, ``"latency_ms"``.
        budgets: Upper limits of such costs, by name.
        epochs: Of each candidate, at most.
        batch_size: Samples a step.
        lr: Learning rate of AdamW.
        weight_decay: Of matrices.
        patience: Epochs without a better validation error after which a candidate stops.
        inherit: Whether a candidate starts with its parent's weights where both have the same map.
        transforms: Of the data, where they are not in batches already.
        collate: ``model.collate``, for a dataset of samples.
        renderings: How often each training sample is drawn, where drawing it is random.
        workers: Processes side by side.
        storage: Address of the study; a file in the folder by default, a server for many machines.
        launcher: ``"processes"``, or ``"ray"`` for tasks of a Ray cluster.
        heartbeat_s: Seconds between the heartbeats of a worker; after three missed, others take over.
        seed: Of everything.
        device: Where candidates are trained, and taps computed.
        progress: Whether to show it.

    Raises:
        TypeError: A task without labels or without a head of its own.
        ValueError: An argument is out of range, training data change from reading to reading, or the study
            in the folder was begun under other settings; what differs is named.
        OSError: Something cannot be read or written.

    Example:
        >>> import tempfile, torch
        >>> from sennit.data import Batch, BatchDataset
        >>> from sennit.encoders import create_encoder
        >>> from sennit.tasks import Classification
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> x = {"a": torch.randn(60, 3), "b": torch.randn(60, 5)}
        >>> y = {"y": (x["a"][:, 0] > 0).long()}
        >>> whole = Batch.of(x, targets=y)
        >>> data = [BatchDataset(whole.select(rows)) for rows in torch.arange(60).split(40)]
        >>> result = search(encoders, {"y": Classification(2)}, *data, folder=tempfile.mkdtemp(),
        ...                 generations=2, population=4, epochs=2, progress=False)
        >>> len(result.records), type(result.best.build(encoders)).__name__
        (8, 'Cells')
    """
    folder = Path(folder)
    for task, objective in tasks.items():
        if getattr(objective, "target", 0) is None or getattr(objective, "of", None) is not None:
            raise TypeError(
                f"task '{task}' should have labels and a head of its own, for a search to score it. "
                f"Leave it out; what was found can be trained with it."
            )
    parts = [
        data
        if isinstance(data, TapCache)
        else cache_taps(
            encoders,
            data,
            folder / "taps",
            transforms=transforms,
            collate=collate,
            renderings=drawn,
            seed=seed,
            device=device,
            progress=progress,
        )
        for data, drawn in ((train, renderings), (validation, 1))
    ]
    space = space or Space.of(encoders, tasks)
    wanted = {*objectives, *(budgets or {})}
    evaluator = BatchedEvaluator(
        space,
        tasks,
        *parts,
        training=Training(epochs, batch_size, lr, weight_decay, patience),
        seed=seed,
        device=device,
        weights=folder / "weights" / name if inherit else None,
        latency="latency_ms" in wanted,
    )
    made = create_strategy(strategy) if isinstance(strategy, str) else strategy
    records = run_search(
        evaluator,
        made,
        folder=folder,
        name=name,
        generations=generations,
        population=population,
        objectives=objectives,
        budgets=budgets,
        workers=workers,
        storage=storage,
        launcher=launcher,
        heartbeat_s=heartbeat_s,
        seed=seed,
        progress=progress,
    )
    return SearchResult(records, space, tuple(objectives), population, made.config["name"])
