"""Runs a program that trains on several ranks, and leaves none of its processes behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
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
