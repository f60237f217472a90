"""The loader goes on with the batch that was due, whatever the workers, epochs, passes and ranks."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.utilities import CombinedLoader
from torch.utils.data import Dataset, IterableDataset, get_worker_info

import sennit.data.loader
import sennit.data.order
import sennit.data.stream
from sennit.data import ResumableLoader


class Drawing(Dataset[list[float]]):
    """Samples that tell their row and what they drew of each kind of random number."""

    def __init__(self, size: int = 11) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, row: int) -> list[float]:
        return [float(row), torch.rand(()).item(), random.random(), float(np.random.rand())]


class Streaming(IterableDataset[list[float]]):
    """Shards of a sequence for workers and ranks, shuffled by the epoch."""

    def __init__(self, size: int = 24) -> None:
        self.size, self.epoch = size, 0

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[float]]:
        info = get_worker_info()
        own = np.random.default_rng(self.epoch).permutation(self.size)
        own = own if info is None else own[info.id :: info.num_workers]
        for row in own:
            yield [float(row), torch.rand(()).item(), random.random(), float(np.random.rand())]


def make(dataset: Any = None, **options: Any) -> ResumableLoader:
    data = Drawing() if dataset is None else dataset
    return ResumableLoader(data, **{"batch_size": 3, "collate_fn": list, "seed": 5, **options})


def rows(batches: Any) -> list[list[int]]:
    return [[int(sample[0]) for sample in batch] for batch in batches]


def flat(batches: Any) -> list[Any]:
    return [sample for batch in batches for sample in batch]


def epoch(loader: ResumableLoader, number: int) -> list[Any]:
    loader.set_epoch(number)
    return list(loader)


def on_rank(monkeypatch: pytest.MonkeyPatch, rank: int, ranks: int) -> None:
    for module in (sennit.data.order, sennit.data.loader, sennit.data.stream):
        monkeypatch.setattr(module, "rank_and_world_size", lambda: (rank, ranks))


def test_an_epoch_has_every_sample_once_and_another_order_than_the_last() -> None:
    loader = make()
    first, second = epoch(loader, 0), epoch(loader, 1)
    assert sorted(flat(rows(first))) == sorted(flat(rows(second))) == list(range(11))
    assert rows(first) != rows(second)
    assert epoch(make(), 1) == second, "an epoch should not depend on those before"


def test_batches_are_the_same_with_any_number_of_workers() -> None:
    none, two = make(), make(num_workers=2)
    for number in range(2):
        assert epoch(none, number) == epoch(two, number)


def test_the_processes_own_random_numbers_are_left_alone() -> None:
    def draw() -> tuple[float, float, float]:
        return torch.rand(()).item(), random.random(), float(np.random.rand())

    def start() -> None:
        torch.manual_seed(3)
        random.seed(3)
        np.random.seed(3)

    start()
    expected = draw()
    for options in ({}, {"num_workers": 1}, {"dataset": Streaming()}):
        start()
        list(make(**options))
        assert draw() == expected


@pytest.mark.parametrize("dataset", [Drawing(), Streaming()], ids=["by index", "stream"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("delivered", range(5))
def test_a_new_loader_goes_on_with_the_batch_that_was_due(dataset: Any, workers: int, delivered: int) -> None:
    killed = make(dataset, num_workers=workers)
    killed.set_epoch(2)
    batches = iter(killed)
    for _ in range(delivered):
        next(batches)
    again = make(dataset, num_workers=workers)
    iter(again)  # Lightning asks for an iterator before it restores, and before it tells the epoch
    again.load_state_dict(killed.state_dict())
    again.set_epoch(2)
    assert list(again) == list(batches)
    assert epoch(again, 3) == epoch(killed, 3)


def test_a_shorter_loader_starts_anew_within_the_epoch_and_goes_on_there() -> None:
    def combined() -> tuple[CombinedLoader, list[ResumableLoader]]:
        loaders = [make(), make(Drawing(4), seed=6)]
        return CombinedLoader(loaders, "max_size_cycle"), loaders

    whole, loaders = combined()
    batches = list(whole)
    passes = [batch[1] for batch, _, _ in batches]
    assert len(batches) == 4
    assert passes[0] != passes[2], "another pass should have another order and other random numbers"
    for delivered in range(1, 4):
        killed, loaders = combined()
        running = iter(killed)
        for _ in range(delivered):
            next(running)
        again, restored = combined()
        for loader, state in zip(restored, [x.state_dict() for x in loaders], strict=True):
            loader.load_state_dict(state)
        iter(again)
        rest = [next(again)[0] for _ in range(4 - delivered)]
        assert rest == [batch for batch, _, _ in batches[delivered:]]


def test_without_shuffling_every_pass_is_the_same() -> None:
    loader = make(shuffle=False)
    next(iter(loader))  # a sanity check looks at the first batches
    assert list(loader) == list(loader) == list(make(shuffle=False))
    assert flat(rows(loader)) == list(range(11))


def test_a_last_smaller_batch_can_be_left_out() -> None:
    assert [len(b) for b in make()] == [3, 3, 3, 2]
    assert [len(b) for b in make(drop_last=True)] == [3, 3, 3]
    assert (len(make()), len(make(drop_last=True))) == (4, 3)


@pytest.mark.parametrize("size", range(6, 20))
def test_ranks_share_every_batch_of_one_process_and_take_as_many_steps(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    alone = rows(make(Drawing(size), batch_size=6))
    shares = []
    for rank in range(3):
        on_rank(monkeypatch, rank, 3)
        shares.append(rows(make(Drawing(size), batch_size=2)))
    assert len({len(share) for share in shares}) == 1
    assert all(batch for share in shares for batch in share), "no rank should get an empty batch"
    joined = [flat(parts) for parts in zip(*shares, strict=True)]
    if size % 6 in (0, 3, 4, 5):
        assert joined == alone
    else:  # too few left for every rank
        assert joined == [*alone[:-2], alone[-2] + alone[-1]]


def test_ranks_draw_other_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    for rank in range(2):
        on_rank(monkeypatch, rank, 2)
        drawn.append([sample[1] for batch in make() for sample in batch])
    assert set(drawn[0]).isdisjoint(drawn[1])


def test_a_stream_has_as_many_batches_on_every_rank() -> None:
    loader = make(Streaming(25), num_workers=2)
    assert len(loader) == len(list(loader)) == 8
    assert rows(epoch(loader, 0)) != rows(epoch(loader, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 6}, "Found seed 6 in place of 5"),
        ({"batch_size": 4}, "Found samples a step 4 in place of 3"),
        ({"dataset": Drawing(12)}, "Found size 12 in place of 11"),
        ({"shuffle": False}, "Found shuffle 0 in place of 1"),
    ],
)
def test_a_state_of_another_loader_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options).load_state_dict(make().state_dict())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` should be 1 or more"),
        ({"seed": -1}, "`seed` 0 or more"),
        ({"dataset": Drawing(0)}, "Found 0 samples"),
        ({"dataset": Drawing(2), "drop_last": True}, r"should fill a batch of 3 .* Found 2 samples"),
    ],
)
def test_what_cannot_make_a_batch_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)


class Failing(Drawing):
    def __getitem__(self, row: int) -> list[float]:
        if row == 7:
            raise OSError("no such file")
        return super().__getitem__(row)


class Dying(Drawing):
    def __getitem__(self, row: int) -> list[float]:
        os._exit(9)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_names_the_sample_it_came_of(workers: int) -> None:
    with pytest.raises(OSError, match="no such file") as caught:
        list(make(Failing(), num_workers=workers))
    assert "sample 7 of the dataset" in "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


# PyTorch may say the same a second time while it drops the iterator.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_that_dies_is_a_clear_error() -> None:
    with pytest.raises(RuntimeError, match="exited unexpectedly") as caught:
        list(make(Dying(), num_workers=1))
    assert "out of memory?" in caught.value.__notes__[0]


def test_the_time_spent_waiting_is_counted() -> None:
    loader = make()
    list(loader)
    before = loader.waited_s
    assert before > 0
    list(loader)
    assert loader.waited_s > before
