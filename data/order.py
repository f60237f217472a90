"""The samples that make each batch, on each rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import distributed as dist
from torch.utils.data import Dataset

from sennit.data.bucketing import in_buckets
from sennit.data.random_state import keyed_random_state


@dataclass(frozen=True)
class BatchRows:
    """The rows of a batch, and the key of its random numbers."""

    rows: tuple[int, ...]
    key: tuple[int, ...]


@dataclass(frozen=True)
class BatchOrder:
    """The batches of one pass over a dataset.

    Args:
        size: Samples in the dataset.
        batch_size: Samples in a batch, on each rank.
        drop_last: Whether a last, smaller batch is left out.
        shuffle: Whether the order is random.
        key: Seed, epoch and pass.
        weights: Weight of each sample, in proportion to which samples are drawn with replacement; each once
            when None.
        lengths: Length of each sample, by which those of a batch are alike; None where they do not matter.

    Example:
        >>> [batch.rows for batch in BatchOrder(5, 2, False, False, (0, 0, 0)).rows_from(0)]
        [(0, 1), (2, 3), (4,)]
    """

    size: int
    batch_size: int
    drop_last: bool
    shuffle: bool
    key: tuple[int, ...]
    weights: NDArray[np.float64] | None = None
    lengths: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        ranks = rank_and_world_size()[1]
        full, rest = divmod(self.size, self.batch_size * ranks)
        # If too few are left for every rank to get one, they join the batch before.
        return full if self.drop_last or rest < ranks else full + 1

    def rows_from(self, first: int) -> Iterator[BatchRows]:
        """Yield this rank's share of each batch from number ``first`` on."""
        rank, ranks = rank_and_world_size()
        rows, step, batches = self._order(), self.batch_size * ranks, len(self)
        for batch in range(first, batches):
            takes_rest = batch == batches - 1 and not self.drop_last
            chosen = rows[batch * step : None if takes_rest else (batch + 1) * step]
            share = np.array_split(chosen, ranks)[rank]
            yield BatchRows(tuple(share.tolist()), (*self.key, batch, rank))

    def _order(self) -> NDArray[np.int64]:
        """Return the rows of the pass, in order."""
        if not self.shuffle:
            return np.arange(self.size)
        random, step = np.random.default_rng(self.key), self.batch_size * rank_and_world_size()[1]
        if self.weights is None:
            rows = random.permutation(self.size)
        else:
            rows = random.choice(self.size, self.size, p=self.weights / self.weights.sum())
        if self.lengths is None:
            return rows
        rows = rows[: len(self) * step] if self.drop_last else rows  # else the longest would be left out
        return in_buckets(rows, self.lengths, step=step, batches=len(self), random=random)


class KeyedDataset(Dataset[Any]):
    """A dataset whose random numbers depend on the batch, and not on the process that makes it."""

    def __init__(self, dataset: Any, collate: Callable[[Any], Any]) -> None:
        self.dataset, self.collate = dataset, collate

    def __getitems__(self, batch: BatchRows) -> Any:
        with keyed_random_state(batch.key):
            if hasattr(self.dataset, "__getitems__"):
                return self.collate(self.dataset.__getitems__(list(batch.rows)))
            return self.collate([self._sample(row) for row in batch.rows])

    def _sample(self, row: int) -> Any:
        try:
            return self.dataset[row]
        except Exception as error:
            error.add_note(f"Raised by sample {row} of the dataset.")
            raise


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this process, and the number of ranks."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
