"""Workers that share a study through a real PostgreSQL server on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from sennit.search.strategies import create_strategy
from sennit.search.study.run_search import run_search
from sennit.search.study.storage import Store
from tests.search.simulated import paid, read, simulated

pytest.importorskip("psycopg", reason="psycopg is not installed")
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
INITDB = shutil.which("initdb") or (str(PROGRAMS[-1]) if PROGRAMS else None)
pytestmark = pytest.mark.skipif(INITDB is None, reason="no PostgreSQL server is installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that is there for this module alone."""
    folder = Path(tempfile.mkdtemp())  # where another user may enter
    other: dict[str, Any] = {}
    if os.geteuid() == 0:  # as whom the server refuses to run
        other = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody", "nogroup")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    data = folder / "data"
    initdb = [INITDB, "--no-sync", "--auth=trust", "--username=sennit", "--pgdata", str(data)]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    control = [str(Path(str(INITDB)).with_name("pg_ctl")), "--pgdata", str(data)]
    try:
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **other)
        start = [*control, "--log", str(folder / "log"), "--wait", "--options", options, "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder, **other)
        yield f"postgresql+psycopg://sennit:secret@127.0.0.1:{port}/postgres"
        subprocess.run(
            [*control, "--mode=immediate", "stop"], check=True, capture_output=True, cwd=folder, **other
        )
    finally:
        shutil.rmtree(folder)


def ask(folder: Path, storage: str, **options: Any) -> Any:
    return run_search(
        simulated(folder / "log", seconds=0.01),
        create_strategy("genetic"),
        folder=folder,
        storage=storage,
        generations=4,
        population=8,
        progress=False,
        **options,
    )


def test_two_workers_share_a_study(server: str, tmp_path: Path) -> None:
    found = ask(tmp_path, server, name="two", workers=2, heartbeat_s=5.0)
    workers = {line.split()[0] for line in (tmp_path / "log").read_text().splitlines()}
    assert len(workers) == 2
    assert max(Counter(paid(tmp_path / "log")).values()) == 1
    assert found == ask(tmp_path, "memory", name="one")
    trials = read(server, "two")
    assert [tuple(trial.user_attrs["slot"]) for trial in trials] == [r.proposal.slot for r in found]
    assert ask(tmp_path, server, name="two") == found


def test_what_a_lost_worker_had_is_taken_over(server: str, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        lose(server, tmp_path)
    assert ask(tmp_path, server, name="lost", heartbeat_s=0.3) == ask(tmp_path, "memory", name="one")
    trials = read(server, "lost")
    assert Counter(t.state for t in trials) == {TrialState.COMPLETE: 32, TrialState.FAIL: 1}


def lose(server: str, folder: Path) -> None:
    """As on another machine that lost its power: a claim, and never a word again."""
    plain = Store.run

    def gone(store: Store, trials: Any) -> None:
        raise ZeroDivisionError

    Store.run = gone  # type: ignore[method-assign]
    try:
        ask(folder, server, name="lost", heartbeat_s=0.3)
    finally:
        Store.run = plain  # type: ignore[method-assign]
