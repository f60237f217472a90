"""Which samples make which batch, on which rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sennit.data.random_state import keyed_random_state
from torch import distributed as dist
from torch.utils.data import Dataset


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
        batch_size: Samples a batch, on each rank.
        drop_last: Whether a last, smaller batch is left out.
        shuffle: Whether the order is random.
        key: (seed, epoch, pass).

    Example:
        >>> [draw.rows for draw in BatchOrder(5, 2, False, False, (0, 0, 0)).rows_from(0)]
        [(0, 1), (2, 3), (4,)]
    """

    size: int
    batch_size: int
    drop_last: bool
    shuffle: bool
    key: tuple[int, ...]

    def __len__(self) -> int:
        ranks = rank_and_world_size()[1]
        full, rest = divmod(self.size, self.batch_size * ranks)
        # Too few left for every rank to get one: they join the batch before.
        return full if self.drop_last or rest < ranks else full + 1

    def rows_from(self, first: int) -> Iterator[BatchRows]:
        """This rank's share of each batch from ``first`` on."""
        rank, ranks = rank_and_world_size()
        order = np.random.default_rng(self.key).permutation(self.size) if self.shuffle else range(self.size)
        rows, whole, batches = np.asarray(order), self.batch_size * ranks, len(self)
        for batch in range(first, batches):
            joins = batch == batches - 1 and not self.drop_last
            share = np.array_split(rows[batch * whole : None if joins else (batch + 1) * whole], ranks)[rank]
            yield BatchRows(tuple(share.tolist()), (*self.key, batch, rank))


class KeyedDataset(Dataset[Any]):
    """A dataset whose random numbers depend on the batch, and not on the process that makes it."""

    def __init__(self, dataset: Any, collate: Callable[[Any], Any]) -> None:
        self.dataset, self.collate = dataset, collate

    def __getitems__(self, draw: BatchRows) -> Any:
        with keyed_random_state(draw.key):
            if hasattr(self.dataset, "__getitems__"):
                return self.collate(self.dataset.__getitems__(list(draw.rows)))
            return self.collate([self._sample(row) for row in draw.rows])

    def _sample(self, row: int) -> Any:
        try:
            return self.dataset[row]
        except Exception as error:
            error.add_note(f"This came of sample {row} of the dataset.")
            raise


def rank_and_world_size() -> tuple[int, int]:
    """Of this process, and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
