"""Batches of a dataset that can only be read from its beginning."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from torch import Generator
from torch.utils.data import DataLoader

from sennit.data.order import rank_and_world_size
from sennit.data.random_state import random_state, seed_from_key, set_random_state


class Stream:
    """Batches of an ``IterableDataset``, as a `ResumableLoader` reads them.

    The dataset's ``__len__`` must give the number of samples that all ranks together read in an epoch. It
    gives each rank and each worker a share of its own (`torch.utils.data.get_worker_info`), in an order that
    depends only on its seed, the rank, the worker, and the epoch set by ``set_epoch(epoch)`` where it has
    that method. An epoch is ``len(dataset) // (batch_size * ranks)`` batches on every rank; a share too short
    for them is read again, and samples that fill no batch are left out, so evaluate on data with indices. To
    resume in mid-epoch, the batches delivered before are read and dropped, so the number of workers must
    stay the same.

    Args:
        dataset: Stream of samples.
        batch_size: Samples in a batch, on each rank.
        collate_fn: Function from a list of samples to a batch.
        num_workers: Processes that prepare batches.
    """

    def __init__(
        self, dataset: Any, *, batch_size: int, collate_fn: Callable[[Any], Any], num_workers: int
    ) -> None:
        self.dataset, self.batch_size, self.generator = dataset, batch_size, Generator()
        self._batches = DataLoader(
            dataset,
            batch_size=batch_size,
            drop_last=True,
            collate_fn=collate_fn,
            num_workers=num_workers,
            generator=self.generator,  # seeds the workers
        )

    def __len__(self) -> int:
        return len(self.dataset) // (self.batch_size * rank_and_world_size()[1])

    def batches(self, key: tuple[int, ...], *, epoch: int, skip: int) -> Iterator[Any]:
        """Yield batches without end, from the one after ``skip`` on.

        Args:
            key: Key of the random numbers, without the rank.
            epoch: Epoch that the dataset is set to.
            skip: Number of batches that were delivered before.

        Raises:
            ValueError: A rank or worker has less than a batch of samples.
        """
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
        before = random_state()
        seed_from_key((*key, rank_and_world_size()[0]))
        self.generator.manual_seed(random.getrandbits(63))
        state = random_state()
        set_random_state(before)
        batches = iter(self._batches)
        while True:
            before = random_state()
            set_random_state(state)
            try:
                batch = next(batches, None)
                if batch is None:
                    batches = iter(self._batches)
                    batch = next(batches, None)
            finally:
                state = random_state()
                set_random_state(before)
            if batch is None:
                raise ValueError(
                    f"every rank and worker should have a batch of {self.batch_size} samples of the "
                    f"dataset. Found one with fewer. Use fewer workers, or more shards."
                )
            if skip:
                skip -= 1
            else:
                yield batch
