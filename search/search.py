"""The search for the best fusions of given encoders, tasks and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from sennit.encoders import Encoder
from sennit.search.batched.batched_evaluator import BatchedEvaluator
from sennit.search.batched.inheritance import weights_path
from sennit.search.evaluator import Evaluator
from sennit.search.final.final_round import run_final
from sennit.search.final.finalists import unlike
from sennit.search.final.settings import Final
from sennit.search.final.tuner import Tuner
from sennit.search.fold import Fold, FoldedEvaluator, train_on_whole
from sennit.search.options import SearchOptions
from sennit.search.reading import check_groups, fold_taps, judged_tasks, sources_of, taps_of
from sennit.search.result import SearchResult
from sennit.search.searchable import check_searchable
from sennit.search.space import Space
from sennit.search.study.run_search import run_search
from sennit.search.taps.tap_cache import TapCache
from sennit.tasks import Task

_DEFAULTS = SearchOptions()


def search(
    encoders: Mapping[str, Encoder],
    tasks: Mapping[str, Task],
    train: Any,
    validation: Any,
    *,
    folder: str | Path,
    name: str = "search",
    space: Space | None = None,
    objectives: Sequence[str] = ("error",),
    start: Literal["known", "random"] = "known",
    final: Final | None = None,
    folds: Sequence[Fold] = (),
    groups: Sequence[int] | None = None,
    time_limit: float | None = None,
    options: SearchOptions = _DEFAULTS,
) -> SearchResult:
    """Search for the fusions of given encoders that solve given tasks best.

    The encoders are frozen, and should be trained already, each alone or with any fusion. Their taps are
    computed once; the candidates of a generation are trained side by side, and their weights are kept. The
    same call in the same folder resumes a search that was interrupted, and returns the result of a complete
    one at once.

    Args:
        encoders: Encoders by modality.
        tasks: Tasks by name; see `check_searchable`. Their losses are summed.
        train: Training data: a dataset, batches, or a `TapCache`.
        validation: Validation data, in one of these forms. They choose the best fusion, so test it on others.
        folder: Folder for the study, the taps, weights and checkpoints.
        name: Name of the study; several can share a folder.
        space: Choices of the search; `Space.of` the encoders and tasks by default.
        objectives: Names of the values to minimise: ``"error"`` (1 − the score, the mean over the tasks),
            ``"error/<task>"``, ``"parameters"``, ``"flops"``, ``"latency_ms"``. Tasks whose errors are not
            among them are learned, and choose nothing: name the one that matters.
        start: First generation: ``"known"`` for the structures of registered fusions, `Space.known`, then
            draws; ``"random"`` for draws alone.
        final: Final round, in which the best candidates and fusions picked by hand are tuned jointly with
            the encoders; ``result.model`` is the chosen one, ``result.final`` their table. Training and
            validation data are then datasets. None for none.
        folds: Folds, two or more, for few data or few subjects: candidates are trained in each, by a fixed
            schedule, and their error is the mean. The best ones are then trained on the training data. A
            final round takes its margin over the folds.
        groups: Group of each validation sample, such as its subject, over which the final round takes its
            margin; each sample is its own when None.
        time_limit: Seconds after which this call begins no further generation.
        options: How candidates are proposed and trained, data are read and work is shared.

    Raises:
        TypeError: A task that a search cannot train or score; taps in place of data, for a final round.
        ValueError: An argument is out of range, training data change from reading to reading, or the study
            in the folder was started with other settings; the difference is named.
        OSError: A file cannot be read or written.

    Example:
        >>> import tempfile, torch
        >>> from sennit.data import Batch, BatchDataset
        >>> from sennit.encoders import create_encoder
        >>> from sennit.search import TrainingOptions
        >>> from sennit.tasks import Classification
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> x = {"a": torch.randn(60, 3), "b": torch.randn(60, 5)}
        >>> y = {"y": (x["a"][:, 0] > 0).long()}
        >>> whole = Batch.of(x, targets=y)
        >>> data = [BatchDataset(whole.select(rows)) for rows in torch.arange(60).split(40)]
        >>> options = SearchOptions(
        ...     generations=2, population=4, training=TrainingOptions(epochs=2), progress=False
        ... )
        >>> folder = tempfile.mkdtemp()
        >>> result = search(encoders, {"y": Classification(2)}, *data, folder=folder, options=options)
        >>> len(result.records), type(result.best.build(encoders, trained=True)).__name__
        (8, 'Cells')
    """
    check_searchable(tasks)
    if start not in ("known", "random"):
        raise ValueError(f"`start` should be 'known' or 'random'. Found {start!r}.")
    if len(folds) == 1:
        raise ValueError("`folds` should be two or more, or none. Found 1.")
    folder = Path(folder)
    strategy = options.chosen_strategy(len(objectives))
    space = space or Space.of(encoders, tasks)
    weights = folder / "weights" / name
    if final is not None:
        sources = sources_of(train, validation, options)
    caches = (
        taps_of(encoders, train, folder / "taps", options, part="train", places=space.has_readings),
        taps_of(encoders, validation, folder / "taps", options, part="validation", places=space.has_readings),
    )
    check_groups(groups, len(caches[1]))
    judged = judged_tasks(objectives, tasks)
    training = replace(options.training, patience=None) if folds else options.training

    def evaluator_of(parts: tuple[TapCache, TapCache], place: Path) -> BatchedEvaluator:
        return BatchedEvaluator(
            space,
            tasks,
            *parts,
            training=training,
            seed=options.seed,
            device=options.device,
            weights=place,
            inherits=options.inherit,
            judged=judged,
            latency="latency_ms" in {*objectives, *options.budgets},
        )

    whole = evaluator_of(caches, weights)
    in_folds = [
        evaluator_of(fold_taps(fold, space, folder / "taps", options, number=k), weights / f"fold-{k}")
        for k, fold in enumerate(folds)
    ]
    evaluator: Evaluator = FoldedEvaluator(in_folds) if folds else whole
    records = run_search(
        evaluator,
        strategy,
        folder=folder,
        name=name,
        generations=options.generations,
        population=options.population,
        objectives=objectives,
        budgets=options.budgets,
        workers=options.workers,
        storage=options.storage,
        launcher=options.launcher,
        heartbeat_s=options.heartbeat_s,
        seed=options.seed,
        progress=options.progress,
        start=tuple(space.known().values()) if start == "known" else (),
        time_limit=time_limit,
    )
    if folds:
        train_on_whole(whole, unlike(records, 1 if final is None else final.candidates))
    kept = [replace(r, weights=weights_path(weights, r.copied_from or r.proposal.slot)) for r in records]
    model = table = None
    if final is not None:
        tuner = Tuner(
            final=final,
            encoders=encoders,
            tasks=tasks,
            judged=judged,
            caches=caches,
            sources=sources,
            training=training,
            width=max(space.widths),
            study=f"{name} {evaluator.fingerprint}",
            folder=folder / "final",
            seed=options.seed,
            device=options.device,
        )
        model, table = run_final(tuner, kept, space.known(), groups=groups, progress=options.progress)
    return SearchResult(
        kept,
        space,
        tuple(objectives),
        options.population,
        strategy.config["name"],
        dict(tasks),
        model,
        table,
    )
