"""A search whose processes are killed loses nothing, and trains nothing twice."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from sennit.search.records import Record
from sennit.search.strategies import create_strategy
from sennit.search.study.connection import sqlite_url
from sennit.search.study.run_search import run_search
from tests.search.simulated import paid, read, simulated

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

GENERATIONS, POPULATION = 5, 8


def ask(folder: Path, seconds: float = 0.004, **options: Any) -> list[Record]:
    options = {"generations": GENERATIONS, "population": POPULATION, "progress": False} | options
    evaluator = simulated(folder / "log", seconds=seconds)
    return run_search(evaluator, create_strategy("genetic"), folder=folder, name="s", **options)


def fork(work: Callable[[], object]) -> int:
    """A child that has imported everything already, and so starts at once."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait(child: int, limit_s: float) -> bool:
    """Whether the child came through; it is killed when its time is up."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return True
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def check(folder: Path, whole: list[Record]) -> None:
    """Every result is stored once, and equals that of a search that was not killed."""
    trials = read(sqlite_url(folder / "study.db"), "s")
    states = Counter(trial.state for trial in trials)
    assert states.keys() <= {TrialState.COMPLETE, TrialState.FAIL}
    complete = [tuple(t.user_attrs["slot"]) for t in trials if t.state is TrialState.COMPLETE]
    assert sorted(complete) == [record.proposal.slot for record in whole]
    slots = Counter(paid(folder / "log"))
    assert max(slots.values()) == 1
    assert slots.keys() <= {r.proposal.slot for r in whole if r.copied_from is None}
    told = [tuple(trial.values) for trial in trials if trial.state is TrialState.COMPLETE]
    assert front(told) == front([record.values for record in whole])
    assert not (folder / "claims").exists() or not list((folder / "claims").iterdir())


def front(values: list[tuple[float, ...]]) -> set[tuple[float, ...]]:
    """Return the non-dominated values."""
    return {
        v
        for v in values
        if not any(w != v and all(a <= b for a, b in zip(w, v, strict=True)) for w in values)
    }


def test_killed_at_eight_moments_the_search_ends_as_if_it_never_was(tmp_path: Path) -> None:
    began = time.monotonic()
    whole = ask(tmp_path / "whole")
    seconds = time.monotonic() - began
    draw, kills, folders = random.Random(0), 0, 0
    while kills < 8:
        folder, folders, row = tmp_path / str(folders), folders + 1, 0
        # Several kills in each search; later ones, so that a busy machine gets on between two of them.
        while not wait(
            fork(lambda folder=folder: ask(folder)), draw.uniform(0.05, 0.4) * (1 + row / 5) * seconds
        ):
            kills, row = kills + 1, row + 1
        assert ask(folder) == whole
        check(folder, whole)


def test_others_take_over_what_a_killed_worker_had(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = ask(tmp_path / "whole", storage="memory")
    said = tmp_path / "said"

    def search() -> None:
        sys.stderr = said.open("w", buffering=1)
        ask(tmp_path / "two", seconds=0.05, workers=2, heartbeat_s=0.3)

    parent, log = fork(search), tmp_path / "two" / "log"
    try:
        victim = None
        end = time.monotonic() + 60
        while victim is None and time.monotonic() < end:
            time.sleep(0.005)
            if log.exists() and (lines := log.read_text().splitlines()):
                victim = int(lines[-1].split()[0])
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        assert wait(parent, 60), said.read_text()
        parent = None
    finally:
        if parent is not None:
            os.kill(parent, signal.SIGKILL)
    assert "was ended by SIGKILL; the others take over" in " ".join(said.read_text().split())
    check(tmp_path / "two", whole)
    assert ask(tmp_path / "two") == whole


def test_workers_do_not_outlive_the_search(tmp_path: Path) -> None:
    parent = fork(lambda: ask(tmp_path, seconds=0.05, workers=2, heartbeat_s=0.3, generations=1000))
    log = tmp_path / "log"
    pids: set[int] = set()
    end = time.monotonic() + 60
    while len(pids) < 2 and time.monotonic() < end:
        time.sleep(0.01)
        if log.exists():
            pids = {int(line.split()[0]) for line in log.read_text().splitlines()}
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert len(pids) == 2
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < end + 10, pids
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
