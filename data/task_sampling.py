"""Batches of one task each; the task of a step is drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset, IterableDataset

from sennit.data.loader import ResumableLoader
from sennit.data.order import BatchOrder, BatchRows, rank_and_world_size
from sennit.registry import unknown_name

SAMPLINGS = ("uniform", "proportional", "temperature", "annealed")
_ANNEALED = 0.8


class TaskSamplingLoader(ResumableLoader):
    """A `ResumableLoader` for inputs that have one task's label each: every step draws a task.

    Task t, with a dataset of n_t samples, is drawn with a probability in proportion to n_t^α:

    - ``"uniform"``: α = 0, every task alike;
    - ``"proportional"``: α = 1, every sample alike;
    - ``"temperature"``: α = 1 / ``temperature``, between the two;
    - ``"annealed"``: α = 1 − 0.8 · e / (E − 1) in epoch e = 0 … E − 1, from proportional towards uniform.

    Each task's samples are all used once before any is used again, except those that fill no batch at the
    end of a round, which differ from round to round; an epoch begins new rounds. A task with fewer samples
    than a batch gives all of them. All ranks draw the same task, and different samples of it: under DDP no
    rank uses a head that another does not.

    To pool batches of several tasks in one step, give `sennit.tasks.fit` a loader for each task, or a
    `ResumableLoader` one dataset of all tasks' samples.

    Source: Stickland & Murray, "BERT and PALs", ICML 2019, "Sampling tasks" (annealed; its square root is a
    temperature of 2); Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
    Transformer", JMLR 2020, section 3.5.2 (temperature, here without a cap on n_t).

    Args:
        datasets: Dataset of each task, of samples or, with ``__getitems__``, of whole batches.
        batch_size: Samples in a step, on each rank.
        collate_fn: Function from a list of samples to a batch, such as ``model.collate``.
        sampling: Distribution of a step's task, as above.
        temperature: Temperature of ``"temperature"``: 1 is proportional, larger values nearer to uniform.
        epochs: Number of epochs of the run, for ``"annealed"``.
        batches: Number of batches in an epoch; by default as many as fit into all samples together.
        seed: Random seed of the tasks, of the order and of the samples' random numbers.
        num_workers: Processes that prepare batches.

    Raises:
        TypeError: A dataset without indices.
        ValueError: No dataset, one with fewer samples than ranks, an unknown sampling, or numbers out of
            range.

    Example:
        >>> loader = TaskSamplingLoader(
        ...     {"digit": range(100), "speaker": range(100, 104)}, batch_size=2, collate_fn=list,
        ...     sampling="temperature", temperature=2.0,
        ... )
        >>> {task: round(p, 3) for task, p in loader.probabilities().items()}
        {'digit': 0.833, 'speaker': 0.167}
        >>> len(loader), all(len({sample < 100 for sample in batch}) == 1 for batch in loader)
        (52, True)
    """

    def __init__(
        self,
        datasets: Mapping[str, Any],
        *,
        batch_size: int,
        collate_fn: Callable[[Any], Any],
        sampling: str = "proportional",
        temperature: float = 2.0,
        epochs: int | None = None,
        batches: int | None = None,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        if sampling not in SAMPLINGS:
            raise unknown_name("sampling", sampling, SAMPLINGS)
        if temperature < 1 or (batches is not None and batches < 1):
            raise ValueError(
                f"`temperature` and `batches` should be 1 or more. Found {temperature} and {batches}."
            )
        if (sampling == "annealed") != (epochs is not None) or (epochs is not None and epochs < 2):
            raise ValueError(
                f"`epochs` should be 2 or more with the sampling 'annealed', which goes from first to "
                f"last, and None otherwise. Found {epochs} with '{sampling}'."
            )
        joined = JoinedDatasets(datasets)
        self.sizes = {name: len(dataset) for name, dataset in datasets.items()}
        ranks = rank_and_world_size()[1]
        for name, size in self.sizes.items():
            if size < ranks:
                raise ValueError(
                    f"each of {ranks} ranks should get a sample of every task. Found {size} of '{name}'. "
                    f"Leave the task out, or use fewer ranks."
                )
        self.sampling, self.temperature, self.epochs = sampling, temperature, epochs
        self.batches = batches or max(1, len(joined) // (max(batch_size, 1) * ranks))
        super().__init__(
            joined, batch_size=batch_size, collate_fn=collate_fn, seed=seed, num_workers=num_workers
        )

    def probabilities(self) -> dict[str, float]:
        """Return the probability of each task in the current epoch."""
        exponents = {"uniform": 0.0, "proportional": 1.0, "temperature": 1 / self.temperature}
        if self.epochs is None:
            exponent = exponents[self.sampling]
        else:
            exponent = 1 - _ANNEALED * min(self.epoch / (self.epochs - 1), 1.0)
        weights = np.array(list(self.sizes.values()), dtype=float) ** exponent
        return dict(zip(self.sizes, (weights / weights.sum()).tolist(), strict=True))

    def order(self) -> BatchOrder:
        return TaskOrder(
            len(self.dataset),
            self.batch_size,
            True,
            True,
            (self.seed, self.epoch, self.cycle),
            sizes=tuple(self.sizes.values()),
            probabilities=tuple(self.probabilities().values()),
            batches=self.batches,
        )

    def _same(self) -> dict[str, Any]:
        options = {"sampling": self.sampling, "temperature": self.temperature, "epochs": self.epochs}
        return super()._same() | options | {"batches": self.batches, "sizes": list(self.sizes.values())}


@dataclass(frozen=True)
class TaskOrder(BatchOrder):
    """The batches of one pass, each of one task; rows are numbered through all datasets in order."""

    sizes: Sequence[int] = ()
    probabilities: Sequence[float] = ()
    batches: int = 1

    def __len__(self) -> int:
        return self.batches

    def rows_from(self, first: int) -> Iterator[BatchRows]:
        rank, ranks = rank_and_world_size()
        chosen = np.random.default_rng(self.key).choice(len(self.sizes), self.batches, p=self.probabilities)
        starts, drawn = np.cumsum([0, *self.sizes]), [0] * len(self.sizes)
        for batch, task in enumerate(chosen.tolist()):
            before, size = drawn[task], self.sizes[task]
            drawn[task] += 1
            if batch < first:
                continue
            step = min(size, self.batch_size * ranks)
            turn, place = divmod(before, size // step)
            order = np.random.default_rng((*self.key, task, turn)).permutation(size)
            rows = starts[task] + order[place * step :][:step]
            yield BatchRows(tuple(np.array_split(rows, ranks)[rank].tolist()), (*self.key, batch, rank))


class JoinedDatasets(Dataset[Any]):
    """The datasets of several tasks, one after the other; rows requested together are of one task.

    Raises:
        TypeError: A dataset without indices.
        ValueError: ``datasets`` is empty.
    """

    def __init__(self, datasets: Mapping[str, Any]) -> None:
        if not datasets:
            raise ValueError("`datasets` should hold at least one task's dataset. Found none.")
        for name, dataset in datasets.items():
            if isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"the dataset of a task should give samples by index. Found the stream "
                    f"{type(dataset).__name__} for '{name}'. Give `fit` a loader for each task instead."
                )
        self.names, self.datasets = tuple(datasets), tuple(datasets.values())
        self.starts = np.cumsum([0, *map(len, self.datasets)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitems__(self, rows: Sequence[int]) -> Any:
        task = int(np.searchsorted(self.starts, rows[0], side="right")) - 1
        dataset, places = self.datasets[task], [row - int(self.starts[task]) for row in rows]
        try:
            if hasattr(dataset, "__getitems__"):
                return dataset.__getitems__(places)
            return [dataset[place] for place in places]
        except Exception as error:
            error.add_note(f"Raised by the samples {places} of task '{self.names[task]}'.")
            raise
