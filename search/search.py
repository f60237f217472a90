"""The search for the best fusions of given encoders, tasks and data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sennit.data import Transforms
from sennit.encoders import Encoder
from sennit.search.batched.batched_evaluator import BatchedEvaluator
from sennit.search.batched.training_options import TrainingOptions
from sennit.search.result import SearchResult
from sennit.search.searchable import check_searchable
from sennit.search.space import Space
from sennit.search.strategies import Strategy, create_strategy
from sennit.search.study.run_search import run_search
from sennit.search.taps.cache_taps import cache_taps
from sennit.search.taps.tap_cache import TapCache
from sennit.tasks import Task


def search(
    encoders: Mapping[str, Encoder],
    tasks: Mapping[str, Task],
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
    """Search for the fusions of given encoders that solve given tasks best.

    The encoders are frozen, and should be trained already, each alone or with any fusion. Their taps are
    computed once; the candidates of a generation are trained side by side. The same call in the same folder
    resumes a search that was interrupted, and returns the result of a complete one at once.

    Args:
        encoders: Encoders by modality.
        tasks: Tasks by name; see `check_searchable`. Their losses are summed.
        train: Training data: a dataset, batches, or a `TapCache`.
        validation: Validation data, in one of these forms. They choose the best fusion, so test it on others.
        folder: Folder for the study, the taps and checkpoints.
        name: Name of the study; several can share a folder.
        space: Choices of the search; `Space.of` the encoders and tasks by default.
        strategy: One of `list_strategies`, or a strategy.
        generations: Number of generations.
        population: Number of candidates in a generation.
        objectives: Names of the values to minimise: ``"error"`` (1 − the score, the mean over the tasks),
            ``"error/<task>"``, ``"parameters"``, ``"flops"``, ``"latency_ms"``.
        budgets: Upper limits of such costs, by name.
        epochs: Maximum number of epochs of each candidate.
        batch_size: Largest number of samples in a step.
        lr: Learning rate of AdamW.
        weight_decay: Weight decay; applied to matrices only.
        patience: Epochs without a better validation error after which a candidate stops.
        inherit: Whether a candidate starts with its parent's weights where both have the same map.
        transforms: Transforms of the data by modality, if these are not batches yet.
        collate: ``model.collate``, for a dataset of samples.
        renderings: Number of random renderings of each training sample, where it is augmented.
        workers: Number of processes side by side.
        storage: Address of the study; a file in the folder by default, a server for several machines.
        launcher: ``"processes"``, or ``"ray"`` for tasks of a Ray cluster.
        heartbeat_s: Seconds between the heartbeats of a worker; after three missed, others take over.
        seed: Random seed of the search, the candidates' weights and the renderings.
        device: Device that computes taps and trains candidates.
        progress: Whether to show a progress bar.

    Raises:
        TypeError: A task that a search cannot train or score.
        ValueError: An argument is out of range, training data change from reading to reading, or the study
            in the folder was started with other settings; the difference is named.
        OSError: A file cannot be read or written.

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
        >>> len(result.records), type(result.best.create_fusion(encoders)).__name__
        (8, 'Cells')
    """
    check_searchable(tasks)
    folder = Path(folder)
    caches = [
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
    evaluator = BatchedEvaluator(
        space,
        tasks,
        *caches,
        training=TrainingOptions(epochs, batch_size, lr, weight_decay, patience),
        seed=seed,
        device=device,
        weights=folder / "weights" / name if inherit else None,
        latency="latency_ms" in {*objectives, *(budgets or {})},
    )
    if isinstance(strategy, str):
        strategy = create_strategy(strategy)
    records = run_search(
        evaluator,
        strategy,
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
    return SearchResult(records, space, tuple(objectives), population, strategy.config["name"])
