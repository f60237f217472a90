"""Every step's task is drawn as its sampling says, and a new loader goes on with the batch that was due."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

import sennit.data.loader
import sennit.data.task_sampling
from sennit.data import Batch, BatchDataset, TaskSamplingLoader
from tests.data.test_loader import Drawing, Failing, Streaming, epoch, flat

SIZES = {"a": 20, "b": 7, "c": 2}
SAMPLINGS: list[dict[str, Any]] = [
    {"sampling": "uniform"},
    {"sampling": "proportional"},
    {"sampling": "temperature", "temperature": 3.0},
    {"sampling": "annealed", "epochs": 5},
]
each = pytest.mark.parametrize("options", SAMPLINGS, ids=[own["sampling"] for own in SAMPLINGS])


class Task(Drawing):
    """Samples that also tell their task."""

    def __init__(self, place: int, size: int) -> None:
        super().__init__(size)
        self.place = place

    def __getitem__(self, row: int) -> list[float]:
        return [float(self.place), *super().__getitem__(row)]


def make(sizes: Any = SIZES, **options: Any) -> TaskSamplingLoader:
    datasets = {name: Task(i, size) for i, (name, size) in enumerate(sizes.items())}
    return TaskSamplingLoader(datasets, **{"batch_size": 3, "collate_fn": list, "seed": 5, **options})


def tasks(batches: Any) -> list[int]:
    """Of each batch, which has one."""
    return [int(task) for batch in batches for (task,) in [{sample[0] for sample in batch}]]


def on_rank(monkeypatch: pytest.MonkeyPatch, rank: int, ranks: int) -> None:
    for module in (sennit.data.order, sennit.data.loader, sennit.data.task_sampling):
        monkeypatch.setattr(module, "rank_and_world_size", lambda: (rank, ranks))


@each
@pytest.mark.parametrize("number", [0, 2, 4])
def test_probabilities_are_powers_of_the_sizes(options: dict[str, Any], number: int) -> None:
    """p_t = n_t^α / Σ_s n_s^α, by a plain loop."""
    alpha = {"uniform": 0, "proportional": 1, "temperature": 1 / 3, "annealed": 1 - 0.8 * number / 4}
    total = 0.0
    for size in SIZES.values():
        total += float(size) ** alpha[options["sampling"]]
    loader = make(**options)
    loader.set_epoch(number)
    for name, size in SIZES.items():
        expected = float(size) ** alpha[options["sampling"]] / total
        assert loader.probabilities()[name] == pytest.approx(expected, rel=1e-12)


@each
def test_tasks_come_as_often_as_their_probabilities_say(options: dict[str, Any]) -> None:
    loader = make(batches=4000, **options)
    loader.set_epoch(2)
    counts = Counter(draw.rows[0] for draw in _drawn_tasks(loader))
    for place, p in enumerate(loader.probabilities().values()):
        deviation = (p * (1 - p) / 4000) ** 0.5
        assert abs(counts[place] / 4000 - p) < 4 * deviation


def _drawn_tasks(loader: TaskSamplingLoader) -> Any:
    """The draws of a pass, with the task in the place of the rows."""
    loader.cycle = 0
    starts = np.cumsum([0, *SIZES.values()])
    for draw in loader.order().rows_from(0):
        place = int(np.searchsorted(starts, draw.rows[0], side="right")) - 1
        assert all(starts[place] <= row < starts[place + 1] for row in draw.rows)
        yield type(draw)((place,), draw.key)


def test_every_sample_of_a_task_has_a_turn_before_any_has_another() -> None:
    found = epoch(make(sampling="uniform", batches=60), 0)
    for place, size in enumerate(SIZES.values()):
        own = [[sample[1] for sample in batch] for batch in found if batch[0][0] == place]
        whole = min(3, size)
        a_round = size // whole
        assert all(len(batch) == whole for batch in own)
        assert len(own) > a_round
        for start in range(0, len(own) - a_round + 1, a_round):
            seen = flat(own[start : start + a_round])
            assert len(set(seen)) == len(seen)
        assert {*flat(own)} == set(range(size)), "what a round leaves out should not always be the same"


def test_an_epoch_has_as_many_batches_as_fit_into_all_samples_or_as_are_asked_for() -> None:
    assert (len(make()), len(make(batches=4)), len(make({"a": 2}))) == (9, 4, 1)
    assert len(list(make(batches=4))) == 4


def test_epochs_draw_other_tasks_and_do_not_depend_on_those_before() -> None:
    loader = make(batches=30)
    first, second = epoch(loader, 0), epoch(loader, 1)
    assert tasks(first) != tasks(second)
    assert epoch(make(batches=30), 1) == second


@each
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("delivered", [0, 1, 5, 9])
def test_a_new_loader_goes_on_with_the_batch_that_was_due(
    options: dict[str, Any], workers: int, delivered: int
) -> None:
    killed = make(**options)
    killed.set_epoch(2)
    batches = iter(killed)
    for _ in range(delivered):
        next(batches)
    again = make(num_workers=workers, **options)
    iter(again)
    again.load_state_dict(killed.state_dict())
    again.set_epoch(2)
    assert list(again) == list(batches)
    assert epoch(again, 3) == epoch(killed, 3)


def test_ranks_draw_the_same_tasks_and_share_the_samples_of_one_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = {"a": 21, "b": 5, "c": 2}
    alone = list(make(sizes, batch_size=6, batches=30))
    shares = []
    for rank in range(2):
        on_rank(monkeypatch, rank, 2)
        shares.append(list(make(sizes, batch_size=3, batches=30)))
    assert tasks(shares[0]) == tasks(shares[1]) == tasks(alone)
    for whole, parts in zip(alone, zip(*shares, strict=True), strict=True):
        assert [sample[1] for part in parts for sample in part] == [sample[1] for sample in whole]
        assert {sample[2] for sample in parts[0]}.isdisjoint(sample[2] for sample in parts[1])


def test_datasets_of_whole_batches_are_asked_for_whole_batches() -> None:
    data = {
        name: BatchDataset(Batch.of({"x": torch.full((size, 1), i)}, targets={name: torch.zeros(size, 1)}))
        for i, (name, size) in enumerate(SIZES.items())
    }
    loader = TaskSamplingLoader(data, batch_size=4, collate_fn=BatchDataset.collate, sampling="uniform")
    names = list(SIZES)
    for batch in loader:
        (name,) = batch.targets
        assert bool((batch.inputs["x"] == names.index(name)).all())
        assert batch.batch_size == min(4, SIZES[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": "uniform"}, "Found sampling uniform in place of proportional"),
        ({"batches": 8}, "Found batches 8 in place of 9"),
        ({"sizes": {"a": 19, "b": 8, "c": 2}}, r"Found sizes \[19, 8, 2\] in place of \[20, 7, 2\]"),
    ],
)
def test_a_state_of_another_loader_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options).load_state_dict(make().state_dict())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sampling": "temprature"}, ValueError, "temperature"),
        ({"sizes": {}}, ValueError, "at least one task's"),
        ({"sizes": {"a": 3, "b": 0}}, ValueError, "Found 0 of 'b'"),
        ({"batch_size": 0}, ValueError, "`batch_size` should be 1 or more"),
        ({"temperature": 0.5}, ValueError, "should be 1 or more. Found 0.5"),
        ({"batches": 0}, ValueError, "should be 1 or more. Found 2.0 and 0"),
        ({"sampling": "annealed"}, ValueError, "`epochs` should be 2 or more"),
        ({"sampling": "annealed", "epochs": 1}, ValueError, "Found 1 with 'annealed'"),
        ({"epochs": 5}, ValueError, "None otherwise. Found 5 with 'proportional'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(**options)


def test_a_stream_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="Found the stream Streaming for 'b'"):
        TaskSamplingLoader({"a": Drawing(), "b": Streaming()}, batch_size=2, collate_fn=list)


def test_an_error_names_the_task_and_the_samples_it_came_of() -> None:
    loader = TaskSamplingLoader({"a": Failing()}, batch_size=1, collate_fn=list)
    with pytest.raises(OSError, match="no such file") as caught:
        list(loader)
    assert "the samples [7] of task 'a'" in caught.value.__notes__[0]
