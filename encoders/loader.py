"""Batches in an order that can be taken up again at any batch."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import distributed as dist
from torch.utils.data import DataLoader, Dataset


@dataclass(frozen=True)
class _Draw:
    """Which rows make a batch, and the key of its random numbers."""

    rows: tuple[int, ...]
    key: tuple[int, ...]


class _Keyed(Dataset[Any]):
    """A dataset whose random numbers depend on the batch, and not on the worker that makes it."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitems__(self, draw: _Draw) -> Any:
        before = torch.get_rng_state(), random.getstate(), np.random.get_state()
        words = np.random.SeedSequence(draw.key).generate_state(3)
        torch.manual_seed(int(words[0]))
        random.seed(int(words[1]))
        np.random.seed(int(words[2]))
        try:
            if hasattr(self.dataset, "__getitems__"):
                return self.dataset.__getitems__(list(draw.rows))
            return [self.dataset[row] for row in draw.rows]
        finally:
            torch.set_rng_state(before[0])
            random.setstate(before[1])
            np.random.set_state(before[2])


class ResumableLoader:
    """A DataLoader that goes on, after a kill, with the batch that was due.

    The order and the random numbers of a batch are keyed by (seed, epoch, batch), so they are the same
    with any number of workers, and the loader's state is a count of delivered batches. Lightning saves
    and restores it. Under several ranks each takes its share of every batch.

    Args:
        dataset: Samples by index; one that has ``__getitems__`` gives whole batches.
        batch_size: Samples a batch, on each rank.
        collate_fn: From a list of samples to a batch, such as ``model.collate``.
        seed: Of the order and of the samples' random numbers.
        shuffle: Whether the order changes from epoch to epoch.
        drop_last: Whether a last, smaller batch is left out.
        num_workers: Processes that prepare batches.

    Attributes:
        waited_s: Seconds that the consumer has waited for batches, in all.
    """

    def __init__(
        self,
        dataset: Sized,
        *,
        batch_size: int,
        collate_fn: Callable[[Any], Any],
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        num_workers: int = 0,
    ) -> None:
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.shuffle, self.drop_last = shuffle, drop_last
        self.waited_s = 0.0
        self.epoch, self.cycle, self.delivered = 0, -1, 0
        self._resumed = False
        self.batch_sampler = self  # Lightning tells the epoch to `sampler`s of this attribute
        self.sampler = self
        self._loader = DataLoader(
            _Keyed(dataset),
            batch_sampler=_Order(self),
            collate_fn=collate_fn,
            num_workers=num_workers,
            generator=torch.Generator(),
            persistent_workers=False,
        )

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch, unless it is the one that a restored state is in the midst of."""
        if epoch != self.epoch:
            self.epoch, self.cycle, self.delivered, self._resumed = epoch, -1, 0, False

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "cycle": self.cycle, "delivered": self.delivered, "seed": self.seed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epoch, self.cycle, self.delivered = state["epoch"], state["cycle"], state["delivered"]
        self._resumed = True

    def __len__(self) -> int:
        size, ranks = len(self.dataset), _ranks()[1]
        whole = self.batch_size * ranks
        return size // whole if self.drop_last else -(-size // whole)

    def __iter__(self) -> Iterator[Any]:
        if not self._resumed:
            self.cycle, self.delivered = self.cycle + 1, 0
        self._resumed = False
        batches = iter(self._loader)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.waited_s += time.perf_counter() - start
            if batch is None:
                return
            self.delivered += 1
            yield batch


class _Order:
    """The rows of each batch that is still due in this epoch."""

    def __init__(self, loader: ResumableLoader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[_Draw]:
        own = self.loader
        rank, ranks = _ranks()
        key = (own.seed, own.epoch, own.cycle)
        size = len(own.dataset)
        order = np.random.default_rng(key).permutation(size) if own.shuffle else np.arange(size)
        whole = own.batch_size * ranks
        for batch in range(own.delivered, len(own)):
            rows = np.array_split(order[batch * whole : (batch + 1) * whole], ranks)[rank]
            yield _Draw(tuple(rows.tolist()), (*key, batch, rank))


def _ranks() -> tuple[int, int]:
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
