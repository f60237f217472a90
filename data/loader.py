"""Batches in an order that resumes at any batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from sennit.data.order import BatchOrder, KeyedDataset, rank_and_world_size
from sennit.data.sampling import checked_lengths, checked_weights, digest
from sennit.data.stream import Stream


class ResumableLoader:
    """A DataLoader that resumes, after a kill, with the batch that was due.

    The order and the random numbers of a batch are keyed by (seed, epoch, pass, batch, rank), so they are
    the same with any number of workers, and the loader's state is a count of delivered batches. Lightning
    saves and restores it. Of several ranks each takes its share of every batch of ``batch_size`` times ranks,
    and all take equally many steps; a last batch too small to give every rank a sample joins the one before.

    A dataset without indices, such as a stream of WebDataset shards, is read through `Stream`, which
    documents its requirements.

    Args:
        dataset: Samples by index; one that has ``__getitems__`` gives whole batches.
        batch_size: Samples in a batch, on each rank.
        collate_fn: Function from a list of samples to a batch, such as ``model.collate``.
        seed: Random seed of the order and of the samples' random numbers.
        shuffle: Whether order and random numbers change from pass to pass; without it, as for validation,
            every pass of an epoch is the same.
        drop_last: Whether a last, smaller batch is left out.
        num_workers: Processes that prepare batches.
        weights: Weight of each sample: an epoch draws as many samples as there are, with replacement, in
            proportion to the weights. `balanced_weights` gives those that draw all classes equally often.
        lengths: Length of each sample: those of a batch are of similar length, so that little is padded.
        persistent_workers: Whether the workers live on from pass to pass. They then keep their first copy of
            the dataset, whatever changes it in this process.

    Attributes:
        waited_s: Total seconds that the consumer has waited for batches.

    Raises:
        ValueError: ``batch_size`` is below 1, the seed is negative, or the dataset fills no batch; weights
            or lengths that are not those of the samples, or beside a fixed order; persistent workers where
            there are none.
        TypeError: Weights, lengths or persistent workers of a stream.
        RuntimeError: A worker died.

    Example:
        >>> make = lambda: ResumableLoader(range(10), batch_size=4, collate_fn=list, seed=7)
        >>> loader = make()
        >>> batches = iter(loader)
        >>> state = next(batches) and loader.state_dict()  # a kill; a new process:
        >>> again = make()
        >>> again.load_state_dict(state)
        >>> list(again) == list(batches)
        True
    """

    def __init__(
        self,
        dataset: Any,
        *,
        batch_size: int,
        collate_fn: Callable[[Any], Any],
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        num_workers: int = 0,
        weights: Sequence[float] | None = None,
        lengths: Sequence[int] | None = None,
        persistent_workers: bool = False,
    ) -> None:
        if not isinstance(batch_size, int):
            raise TypeError(f"`batch_size` should be a whole number. Found {batch_size!r}.")
        if batch_size < 1 or seed < 0:
            raise ValueError(
                f"`batch_size` should be 1 or more, and `seed` 0 or more. Found {batch_size}, {seed}."
            )
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.shuffle, self.drop_last = shuffle, drop_last
        sampling = {"weights": weights, "lengths": lengths, "persistent_workers": persistent_workers or None}
        _check_options(dataset, sampling, shuffle=shuffle)
        self.weights = None if weights is None else checked_weights(weights, len(dataset))
        self.lengths = None if lengths is None else checked_lengths(lengths, len(dataset))
        if persistent_workers and not num_workers:
            raise ValueError("`persistent_workers` needs workers. Found num_workers=0. Give 1 or more.")
        self.waited_s = 0.0
        self.epoch, self.cycle, self.delivered = 0, -1, 0
        self._resumed = False
        self.batch_sampler = _RemainingBatches(self)
        self._batches: DataLoader[Any] | Stream
        if isinstance(dataset, IterableDataset):
            self._batches = Stream(
                dataset, batch_size=batch_size, collate_fn=collate_fn, num_workers=num_workers
            )
        else:
            self._batches = DataLoader(
                KeyedDataset(dataset, collate_fn),
                batch_sampler=self.batch_sampler,
                collate_fn=_unchanged,
                num_workers=num_workers,
                persistent_workers=persistent_workers,
                generator=torch.Generator(),  # else each pass would draw from the model's random numbers
                pin_memory=torch.cuda.is_available(),
            )
        if len(self) == 0:
            raise ValueError(
                f"the dataset should fill a batch of {batch_size} on each of "
                f"{rank_and_world_size()[1]} ranks. "
                f"Found {len(dataset)} samples. Make batches smaller, or leave `drop_last` out."
            )

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch, unless a restored state is within it."""
        if epoch != self.epoch:
            self.epoch, self.cycle, self.delivered, self._resumed = epoch, -1, 0, False

    def order(self) -> BatchOrder:
        """Return the order of the current pass."""
        return BatchOrder(
            len(self.dataset),
            self.batch_size,
            self.drop_last,
            self.shuffle,
            self._key(),
            weights=self.weights,
            lengths=self.lengths,
        )

    def _key(self) -> tuple[int, ...]:
        return self.seed, self.epoch, self.cycle if self.shuffle else 0

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the data, and the settings that it depends on."""
        return {"epoch": self.epoch, "cycle": self.cycle, "delivered": self.delivered, **self._same()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state.

        Raises:
            ValueError: The state is of a loader with another dataset, batch size, seed or order.
        """
        for name, value in self._same().items():
            if state.get(name) != value:
                raise ValueError(
                    f"a loader should resume with the settings it began with. Found {name.replace('_', ' ')} "
                    f"{value} in place of {state.get(name)}. Restore it, or start a new run."
                )
        self.epoch, self.cycle, self.delivered = state["epoch"], state["cycle"], state["delivered"]
        self._resumed = self.cycle >= 0

    def _same(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "size": len(self.dataset),
            "samples_a_step": self.batch_size * rank_and_world_size()[1],
            "shuffle": int(self.shuffle),
            "drop_last": int(self.drop_last),
            "weights": digest(self.weights),
            "lengths": digest(self.lengths),
        }

    def __len__(self) -> int:
        return len(self._batches) if isinstance(self._batches, Stream) else len(self.order())

    def __iter__(self) -> Iterator[Any]:
        # Lightning calls this before it sets the epoch, so everything is looked up at the first batch.
        if not self._resumed:
            self.cycle, self.delivered = self.cycle + 1, 0
        self._resumed = False
        if isinstance(self._batches, Stream):
            batches = self._batches.batches(self._key(), epoch=self.epoch, skip=self.delivered)
        else:
            batches = iter(self._batches)
        while self.delivered < len(self):
            start = time.perf_counter()
            batch = self._next(batches)
            self.waited_s += time.perf_counter() - start
            self.delivered += 1
            yield batch

    def _next(self, batches: Iterator[Any]) -> Any:
        try:
            return next(batches)
        except RuntimeError as error:
            if "exited unexpectedly" in str(error) or "is killed by signal" in str(error):
                error.add_note("A worker of the loader died: out of memory? num_workers=0 shows more.")
            raise


class _RemainingBatches:
    """The batches that are still due in the loader's current pass."""

    def __init__(self, loader: ResumableLoader) -> None:
        self.sampler = loader  # Lightning calls its `set_epoch`

    def __iter__(self) -> Iterator[Any]:
        return self.sampler.order().rows_from(self.sampler.delivered)


def _check_options(dataset: Any, given: Mapping[str, Any], *, shuffle: bool) -> None:
    """Refuse options that a stream cannot have, and those that change an order that is fixed."""
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(dataset, IterableDataset):
            raise TypeError(
                f"`{name}` needs a dataset with indices. Found the stream {type(dataset).__name__}, which is "
                f"read in its own order, set anew for each epoch."
            )
        if not shuffle and name != "persistent_workers":
            raise ValueError(f"`{name}` changes the order. Found shuffle=False. Leave one of them out.")


def _unchanged(batch: Any) -> Any:
    return batch
