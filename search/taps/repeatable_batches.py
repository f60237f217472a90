"""Batches in an order and with random numbers that are the same at each reading."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from torch.utils.data import IterableDataset

from sennit.data import Batch
from sennit.data.hashing import add_tensors
from sennit.data.random_state import keyed_random_state, random_state, seed_from_key, set_random_state


class RepeatableBatches:
    """The batches of some data, which can be read any number of times.

    Args:
        data: Dataset of samples (such as a `BatchDataset`), or an iterable of batches.
        collate: Function that joins samples to a batch; by default the dataset's ``collate``.
        prepare: Function applied to each sample before that.
        batch_size: Number of samples in a batch, if the data are not batches already.
        seed: Random seed of augmentations in the data.

    Raises:
        TypeError: The data can be read only once, or are samples without a collate function.
    """

    def __init__(
        self,
        data: Any,
        *,
        collate: Callable[[Any], Any] | None,
        prepare: Callable[[Any], Any] | None,
        batch_size: int,
        seed: int,
    ) -> None:
        self.data, self.prepare, self.batch_size, self.seed = data, prepare, batch_size, seed
        self.collate = collate or getattr(data, "collate", None)
        indexed = hasattr(data, "__getitem__") and not isinstance(data, IterableDataset)
        self.by_index = indexed and self.collate is not None
        if not self.by_index and (not isinstance(data, Iterable) or iter(data) is data):
            raise TypeError(
                f"`data` should be a dataset with a collate function, or an iterable of batches that can be "
                f"read again. Found {type(data).__name__}. Give `collate=model.collate` or a list of batches."
            )

    def batches(self, rendering: int) -> Iterator[Batch]:
        """Yield every batch of a rendering, on the CPU."""
        if self.by_index:
            for number, start in enumerate(range(0, len(self.data), self.batch_size)):
                with keyed_random_state((self.seed, rendering, number)):
                    batch = self._joined(range(start, min(start + self.batch_size, len(self.data))))
                yield _checked(batch)
            return
        before = random_state()
        seed_from_key((self.seed, rendering))
        state, source = random_state(), None
        set_random_state(before)
        while True:
            # Between batches, the random state is the caller's.
            before = random_state()
            set_random_state(state)
            try:
                source = iter(self.data) if source is None else source
                batch = next(source, None)
                state = random_state()
            finally:
                set_random_state(before)
            if batch is None:
                return
            yield _checked(batch)

    def changes(self) -> bool:
        """Return whether the first batch differs from reading to reading."""
        first, second = (_hash(islice(self.batches(rendering), 1)) for rendering in (0, 1))
        return first != second

    def _joined(self, rows: Sequence[int]) -> Any:
        assert self.collate is not None
        if self.prepare is None and hasattr(self.data, "__getitems__"):
            return self.collate(self.data.__getitems__(list(rows)))
        prepare = self.prepare or (lambda sample: sample)
        return self.collate([prepare(self.data[row]) for row in rows])


def _hash(batches: Iterable[Batch]) -> str:
    """Return a hash of the values of some batches."""
    digest = hashlib.sha256()
    for batch in batches:
        add_batch(digest, batch)
    return digest.hexdigest()


def add_batch(digest: Any, batch: Batch) -> None:
    """Update a hash with the values of a batch."""
    for name in ("inputs", "masks", "present", "targets", "labelled"):
        add_tensors(digest, name, getattr(batch, name))


def _checked(batch: Any) -> Batch:
    if not isinstance(batch, Batch):
        raise TypeError(
            f"`data` should yield batches. Found {type(batch).__name__}. Give `collate=model.collate` with a "
            f"dataset of samples."
        )
    return batch
