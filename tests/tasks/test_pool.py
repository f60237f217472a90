"""A pool knows of each task of each sample whether it is labelled, and hides the other labels."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.tasks import Classification, MultiLabel, Regression
from sennit.tasks.rounds import Pool
from tests.parts import make_batch, make_model

IDS = torch.arange(100, 112)
SECRET = 2
"""The class of every hidden label: it must not occur anywhere."""


def make_data(**more: Any) -> BatchDataset:
    """Twelve samples: the first four of class 0 or 1, all others of the class that is to stay hidden."""
    y = torch.where(torch.arange(12) < 4, torch.arange(12) % 2, SECRET)
    z = torch.where(torch.arange(12) < 4, 0.5, 77.0)[:, None].repeat(1, 2)
    known = torch.ones(12, 2, dtype=torch.bool)
    known[5, 1] = False
    batch = make_batch(12, targets={"y": y, "z": z}, labelled={"z": known}, index=IDS)
    return BatchDataset(batch.with_views(other=batch), **more)


def make_samples() -> list[dict[str, Any]]:
    batch, samples = make_data().batch, []
    for row in range(12):
        one = batch.select(torch.tensor([row]))
        inputs = {m: x[0] for m, x in one.inputs.items() if one.present[m]}
        targets = {t: y[0] for t, y in one.targets.items()}
        if row == 5:
            targets["z"] = torch.tensor([77.0, torch.nan])
        samples.append({"inputs": inputs, "targets": targets, "index": int(IDS[row])})
    return samples


FIRST = {"y": IDS[:4].tolist(), "z": IDS[:2].tolist()}
TASKS = {"y": Classification(3), "z": Regression(2)}
kinds = pytest.mark.parametrize("kind", ["batch", "samples"])


def make_pool(kind: str, **options: Any) -> tuple[Pool, Any]:
    pool = Pool(make_data() if kind == "batch" else make_samples(), **{"labelled": FIRST} | options)
    return pool, pool.collate or make_model(tasks=TASKS).collate


def batches(pool: Pool, collate: Any, workers: int = 0) -> list[Batch]:
    loader = ResumableLoader(pool, batch_size=5, collate_fn=collate, num_workers=workers, shuffle=False)
    return list(loader)


@kinds
@pytest.mark.parametrize("workers", [0, 1])
def test_no_batch_holds_a_hidden_label(kind: str, workers: int) -> None:
    for batch in batches(*make_pool(kind), workers):
        assert batch.index is not None
        for task, ids in FIRST.items():
            shown = torch.tensor([int(i) in ids for i in batch.index])
            flags = batch.labelled[task].reshape(len(shown), -1)
            assert torch.equal(flags.any(1), shown)
            assert torch.equal(flags.all(1), shown)
            assert bool((batch.targets[task][~shown] == 0).all())
        values = list(batch.targets.values())
        for view in batch.views.values():
            values += [] if not isinstance(view, Batch) else list(view.targets.values())
        assert not any(bool((y == SECRET).any()) or bool((y > 70).any()) for y in values)
        assert batch.all_labelled == (bool(batch.labelled["y"].all() and batch.labelled["z"].all()))


def test_a_transform_of_the_data_does_not_see_a_hidden_label() -> None:
    seen: list[torch.Tensor] = []

    def transform(batch: Batch) -> Batch:
        seen.append(batch.targets["y"])
        return batch

    pool = Pool(make_data(transform=transform), labelled=FIRST)
    pool.__getitems__(list(range(12)))
    assert bool((torch.cat(seen) < SECRET).all())


@kinds
def test_one_task_of_a_sample_is_labelled_and_another_stays_hidden(kind: str) -> None:
    pool, collate = make_pool(kind)
    pool.label([107], "y")
    pool.label([105], "z")
    pool.label([106, 108], "y", by="model", values=[1, 0])
    one = collate(pool.__getitems__([7]))
    assert (one.targets["y"].item(), bool(one.labelled["z"].any())) == (SECRET, False)
    half = collate(pool.__getitems__([5]))
    assert (half.targets["z"].tolist(), half.labelled["z"].tolist()) == ([[77.0, 0.0]], [[True, False]])
    assert pool.givers("y") == dict.fromkeys([*FIRST["y"], 107], "human") | {106: "model", 108: "model"}
    assert [int(y) for y in pool.values([106, 107, 108], "y")] == [1, SECRET, 0]
    assert pool.counts() == {"y": {"human": 5, "model": 2}, "z": {"human": 3}}
    assert pool.unlabelled("y") == [104, 105, 109, 110, 111]
    assert [pool.ids[row] for row in pool.with_labels("z").indices] == [100, 101, 105]
    assert len(pool.with_labels()) == 8
    assert pool.withdraw("y", by="model") == [106, 108]
    hidden = collate(pool.__getitems__([6, 8]))
    assert not bool(hidden.labelled["y"].any() or (hidden.targets["y"] != 0).any())


@kinds
def test_a_person_corrects_a_model_and_not_the_other_way_round(kind: str) -> None:
    pool, collate = make_pool(kind)
    pool.label([104], "y", by="model", values=[0])
    pool.label([104], "y")
    assert collate(pool.__getitems__([4])).targets["y"].item() == SECRET
    with pytest.raises(ValueError, match=r"no label of 'y' by a person yet\. Found \[104\]"):
        pool.label([104], "y", by="model", values=[0])


@kinds
def test_a_copy_changes_alone_and_a_pool_is_pickled(kind: str) -> None:
    pool, collate = make_pool(kind)
    other = pool.copy()
    other.label([110], "y")
    again = pickle.loads(pickle.dumps(other))
    assert [p.unlabelled("y")[-2:] for p in (pool, other, again)] == [[110, 111], [109, 111], [109, 111]]
    assert not bool(collate(pool.__getitems__([10])).labelled["y"].any())
    assert bool(collate(again.__getitems__([10])).labelled["y"].all())


@kinds
def test_without_a_list_every_label_of_the_data_is_a_persons(kind: str) -> None:
    pool, _ = make_pool(kind, labelled=None)
    assert pool.counts() == {"y": {"human": 12}, "z": {"human": 12}}


def test_data_that_are_slow_to_read_are_not_read() -> None:
    class Slow(list[dict[str, Any]]):
        reads = 0

        def __getitem__(self, row: Any) -> Any:
            Slow.reads += 1
            return super().__getitem__(row)

    pool = Pool(Slow(make_samples()), labelled={"y": [100, 101]}, ids=IDS.tolist())
    assert Slow.reads == 2  # those said to be labelled
    assert pool.tasks == ("y",)
    assert "y" not in pool[5]["targets"]


def test_labels_of_a_task_without_any_in_the_data_are_given() -> None:
    samples = [{"inputs": {"table": torch.zeros(3)}, "index": i} for i in range(3)]
    pool = Pool(samples, labelled={"w": []}, ids=range(3))
    pool.label([1], "w", values=[[1.0, torch.nan]])
    batch = make_model(tasks={"w": MultiLabel(2)}).collate(pool.__getitems__([0, 1]))
    assert batch.labelled["w"].tolist() == [[False, False], [True, False]]


def test_samples_without_an_id_are_refused() -> None:
    nameless = BatchDataset(make_batch(3))
    for data in (nameless, [{"inputs": {"table": torch.zeros(3)}}]):
        with pytest.raises(ValueError, match=r"every sample of a pool should have an id"):
            Pool(data)
    for index in ([0, 0, 1], [0, -1, 1]):
        with pytest.raises(ValueError, match=r"ids of a pool should be 0 or more, and differ"):
            Pool(BatchDataset(make_batch(3, index=torch.tensor(index))))


@kinds
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.label([999], "y"), r"ids should be those of samples of the pool\. Found \[999\]"),
        (lambda p: p.label([104], "x"), r"unknown task of the pool 'x'"),
        (lambda p: p.label([104], "y", by="modle", values=[0]), r"unknown giver of labels 'modle'"),
        (lambda p: p.label([104, 104], "y"), r"named once.*Found an id twice"),
        (lambda p: p.label([104], "y", by="model"), r"`values` should be given"),
        (lambda p: p.label([104], "y", values=[1, 2]), r"`values` should hold 1 labels\. Found 2"),
        (lambda p: p.values([104], "y"), r"should have a label of 'y'\. Found none for \[104\]"),
        (lambda p: p.withdraw("y", by="me"), r"unknown giver of labels 'me'"),
    ],
)
def test_wrong_calls_are_refused_and_change_nothing(kind: str, call: Any, message: str) -> None:
    pool, _ = make_pool(kind)
    before = pool.counts()
    with pytest.raises(ValueError, match=message):
        call(pool)
    assert pool.counts() == before


@kinds
def test_ids_said_to_be_labelled_have_a_label(kind: str) -> None:
    with pytest.raises(ValueError, match=r"unknown task of the pool 'v'"):
        make_pool(kind, labelled={"v": [100]})
    with pytest.raises(ValueError, match=r"ids should be those of samples"):
        make_pool(kind, labelled={"y": [1]})
    data = BatchDataset(make_batch(3, labelled={"y": torch.arange(3) > 0}, index=torch.arange(3)))
    with pytest.raises(
        ValueError, match=r"`labelled\['y'\]` should have a label in the data\. Found none for \[0\]"
    ):
        Pool(data, labelled={"y": [0, 1]})
    with pytest.raises(ValueError, match=r"`values` should be given.*for \[0\]"):
        Pool(data).label([0], "y")


def test_a_label_of_another_shape_or_with_gaps_is_refused() -> None:
    pool, _ = make_pool("batch")
    with pytest.raises(ValueError, match=r"a label of 'z' should have shape \(2,\)\. Found \(3,\)"):
        pool.label([104], "z", values=[[1.0, 2.0, 3.0]])
    data = BatchDataset(
        make_batch(
            3, targets={"w": torch.zeros(3, 2)}, labelled={"w": torch.zeros(3) > 0}, index=torch.arange(3)
        )
    )
    with pytest.raises(ValueError, match=r"a label of 'w' should be complete.*Found NaN"):
        Pool(data).label([0], "w", values=[[1.0, torch.nan]])
