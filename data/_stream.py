"""Batches of a dataset that can only be read from its beginning."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sennit.data.order import rank_and_world_size
from sennit.data.random_state import random_state, seed_from_key, set_random_state
from torch import Generator
from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from sennit.data.loader import ResumableLoader


class Stream:
    """What a `ResumableLoader` reads an ``IterableDataset`` through.

    The dataset must say by ``__len__`` how many samples all ranks together have in an epoch; it gives each
    rank and each worker its own share (`torch.utils.data.get_worker_info`), in an order that depends on
    nothing but its own seed, the epoch that it is told by ``set_epoch(epoch)``, where it has that, the rank
    and the worker. An epoch is ``len(dataset) // (batch_size * ranks)`` batches on every rank; a share that
    is too short for them is read again, and what fills no batch is left out, so evaluate on data with
    indices. To go on in mid-epoch, the batches delivered before are read and left out, so the number of
    workers must stay the same.
    """

    def __init__(self, loader: ResumableLoader, collate: Callable[[Any], Any], workers: int) -> None:
        self.loader, self.generator = loader, Generator()
        self.batches = DataLoader(
            loader.dataset,
            batch_size=loader.batch_size,
            drop_last=True,
            collate_fn=collate,
            num_workers=workers,
            generator=self.generator,  # seeds the workers
        )

    def __len__(self) -> int:
        return len(self.loader.dataset) // (self.loader.batch_size * rank_and_world_size()[1])

    def __iter__(self) -> Iterator[Any]:
        own = self.loader
        if hasattr(own.dataset, "set_epoch"):
            own.dataset.set_epoch(own.epoch)
        key = (own.seed, own.epoch, own.cycle if own.shuffle else 0, rank_and_world_size()[0])
        before = random_state()
        seed_from_key(key)
        self.generator.manual_seed(random.getrandbits(63))
        state = random_state()
        set_random_state(before)
        skip, batches = own.delivered, iter(self.batches)
        while True:
            before = random_state()
            set_random_state(state)
            try:
                batch = next(batches, None)
                if batch is None:
                    batches = iter(self.batches)
                    batch = next(batches, None)
            finally:
                state = random_state()
                set_random_state(before)
            if batch is None:
                raise ValueError(
                    f"every rank and worker should have a batch of {own.batch_size} samples of the dataset. "
                    f"Found one with fewer. Use fewer workers, or more shards."
                )
            if skip:
                skip -= 1
            else:
                yield batch
