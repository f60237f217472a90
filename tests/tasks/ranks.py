"""Runs a program that trains on several ranks, and leaves none of its processes behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_S = 300


def run_ranks(module: str, *arguments: str) -> None:
    """``python -m module arguments``; it should end well within the limit, and so should all that it starts.

    Raises:
        AssertionError: It failed.
        subprocess.TimeoutExpired: It was not done; all its processes are killed.
    """
    command = [sys.executable, "-m", module, *arguments]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, start_new_session=True)
    try:
        _, error = process.communicate(timeout=LIMIT_S)  # until every process has closed it
    finally:
        with contextlib.suppress(ProcessLookupError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, error.decode()[-5000:]


def fork_ranks(work: Callable[[int, Path], None], ranks: int) -> None:
    """Start processes that share what was imported, as much work as the rest, as torchrun would; then exit.

    Args:
        work: Function of a rank and the folder that the command line names.
        ranks: Number of processes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=work, args=(rank, Path(sys.argv[1]))) for rank in range(ranks)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(any(process.exitcode for process in processes))
