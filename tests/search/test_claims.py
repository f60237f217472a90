"""Slices of a generation are taken once, and come back when their worker is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest
from optuna.trial import FrozenTrial, TrialState

from sennit.search.population import propose
from sennit.search.strategies import create_strategy
from sennit.search.study import optuna_tables
from sennit.search.study.claims import claim, heartbeats
from sennit.search.study.connection import sqlite_url
from sennit.search.study.history import History
from sennit.search.study.storage import Store
from sennit.search.study.trials import retry, templates
from tests.search.landscape import make_space

SPACE = make_space()
POPULATION, SLICES = 8, 4


def open_store(folder: Path) -> Store:
    return Store(sqlite_url(folder / "study.db"), "s", objectives=["error"], heartbeat_s=0.2)


def read(store: Store) -> History:
    history = History(store, SPACE, population=POPULATION, generations=1)
    history.refresh()
    return history


@pytest.fixture(params=["tables", "public calls"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A study with a waiting generation, in known tables or under a schema that nobody knows."""
    if request.param == "public calls":
        monkeypatch.setattr(optuna_tables, "SCHEMAS", frozenset({"v9.9.9.z"}))
    with closing(open_store(tmp_path)) as store:
        new = propose(
            create_strategy("random"), SPACE, [], 0, population=POPULATION, seed=0, admit=lambda genome: True
        )
        new[5] = type(new[5])((0, 5), new[1].genes, new[1].genome)
        store.append(templates(new, {}, [{}] * POPULATION, SPACE, SLICES), expected=0)
        yield store


def finish(store: Store, trials: Sequence[FrozenTrial]) -> None:
    result = {"errors": {"y": 0.5}, "epochs": 1, "seconds": 0.0}
    assert store.complete(trials, [[0.5]] * len(trials), [result] * len(trials)) == {t.number for t in trials}


def test_a_generation_is_claimed_slice_by_slice_and_its_copies_last(store: Store) -> None:
    claims = []
    while (claimed := claim(store, read(store).live)) is not None:
        claims.append(claimed)
    assert [[t.number for t in c.trials] for c in claims] == [[0, 1], [2, 3], [4, 6], [7]]
    assert {t.state for n, t in read(store).live.items() if n != 5} == {TrialState.RUNNING}
    for claimed in claims:
        assert claim(store, read(store).live) is None
        finish(store, claimed.trials)
    copies = claim(store, read(store).live)
    assert copies is not None
    assert (copies.slice, [t.number for t in copies.trials]) == (None, [5])
    assert copies.lock.user_attrs["copied_from"] == [0, 1]


def test_a_slice_is_one_workers_until_its_lock_is_told(store: Store) -> None:
    claimed = claim(store, read(store).live)
    assert claimed is not None
    finish(store, claimed.todo[1:])
    assert claimed.lock.number == 0
    other = claim(store, read(store).live)
    assert other is not None
    assert other.slice == 1


def test_what_is_done_of_a_slice_that_comes_back_is_trained_with_the_rest_but_not_told_again(
    store: Store,
) -> None:
    first = claim(store, read(store).live)
    assert first is not None
    finish(store, first.todo[1:])
    store.give_back(first.lock)
    second = claim(store, read(store).live)
    assert second is not None
    assert ([t.number for t in second.trials], [t.number for t in second.todo]) == ([0, 1], [0])


def test_workers_at_the_same_moment_never_take_the_same_slice(store: Store, tmp_path: Path) -> None:
    start = Barrier(8)

    def work(_: int) -> list[int]:
        with closing(open_store(tmp_path)) as own:
            live = read(own).live
            start.wait()
            claims = [claim(own, live) for _ in range(2)]
            return [c.slice for c in claims if c is not None and c.slice is not None]

    with ThreadPoolExecutor(8) as pool:
        taken = sorted(k for claims in pool.map(work, range(8)) for k in claims)
    assert taken == list(range(SLICES))


def test_a_slice_whose_worker_is_silent_comes_back_once(store: Store, tmp_path: Path) -> None:
    lost = claim(store, read(store).live)
    assert lost is not None
    end = time.monotonic() + 10
    while not (failed := read(store).failed):
        assert time.monotonic() < end
        time.sleep(0.1)
        store.sweep()
    with closing(open_store(tmp_path)) as other:
        seen = [read(each).seen for each in (store, other)]
        assert store.append([retry(t) for t in failed.values()], expected=seen[0])
        assert not other.append([retry(t) for t in failed.values()], expected=seen[1])
    history = read(store)
    assert (history.failed, history.live[0].number, history.seen) == ({}, POPULATION, POPULATION + 1)
    back = claim(store, history.live)
    assert back is not None
    assert [t.number for t in back.trials] == [POPULATION, 1]
    # What the lost one finds is kept, but for the lock's.
    assert store.complete(lost.todo, [[0.5]] * 2, [{}] * 2) == {1}
    assert store.complete(lost.todo, [[0.5]] * 2, [{}] * 2) == set()


def test_a_worker_that_says_that_it_lives_keeps_its_slice(store: Store) -> None:
    claimed = claim(store, read(store).live)
    assert claimed is not None
    with heartbeats(store, claimed.lock, 0.2):
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            time.sleep(0.1)
            store.sweep()
    assert not read(store).failed


def test_a_heartbeat_that_is_lost_is_said_and_ends_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sqlalchemy.exc import OperationalError

    claimed = claim(store, read(store).live)
    assert claimed is not None

    def lose(trial: object) -> None:
        raise OperationalError("UPDATE", {}, OSError("the server went away"))

    monkeypatch.setattr(store, "beat", lose)
    with heartbeats(store, claimed.lock, 0.01):
        time.sleep(0.1)
    assert "a heartbeat was lost: the search's storage" in caplog.text
    assert "the server went away" in caplog.text
