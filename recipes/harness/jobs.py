"""Independent jobs that run in parallel, are stored as they end, and never run twice."""

from __future__ import annotations

import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import datetime
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sennit.files import alone_with
from sennit.processes import end_with_parent

Job = Mapping[str, Any]
_SILENCE_S = 20.0


class Jobs:
    """The finished jobs of a run, one line of JSON each; a job whose line was cut short by a kill runs again.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "jobs.jsonl"
        >>> Jobs(path).store({"fold": 0}, {"accuracy": 0.9})
        >>> Jobs(path).get({"fold": 0})
        {'accuracy': 0.9}
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, Any] = {}
        self.read()

    def read(self) -> None:
        """Read the results on the disk, those of other processes among them; the file is never rewritten.

        Lines that are no results, such as one that a kill cut short, are counted in a warning.
        """
        text = self.path.read_bytes() if self.path.exists() else b""
        lines = text[: text.rfind(b"\n") + 1].split(b"\n")[:-1]
        damaged = []
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                self._done[_key(entry["job"])] = entry["result"]
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged.append(number)
        if damaged:
            warnings.warn(
                f"each line of '{self.path}' should be a result. Found {len(damaged)} that are not, such as "
                f"line {damaged[0]}: they are left out, and a job without a result runs again.",
                stacklevel=2,
            )

    @property
    def date(self) -> str:
        """Date and time of the last result."""
        return datetime.fromtimestamp(self.path.stat().st_mtime).isoformat(" ", timespec="minutes")

    def get(self, job: Job) -> Any | None:
        """Return the result of a job, or None."""
        return self._done.get(_key(job))

    def store(self, job: Job, result: Any) -> None:
        """Store a result; it is on disk before this returns."""
        with self.path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            end = b"" if file.read(1) in (b"", b"\n") else b"\n"
            file.write(end + json.dumps({"job": job, "result": result}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._done[_key(job)] = result


def _key(job: Job) -> str:
    return json.dumps(job, sort_keys=True)


def _start_worker() -> None:
    """Use one thread, stay silent on Ctrl-C, and end when the parent process ends."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()


def run_jobs(
    work: Callable[[Job], Any],
    jobs: Sequence[Job],
    done: Jobs,
    *,
    workers: int,
    describe: Callable[[Job], str],
) -> list[Any]:
    """Run the jobs that are not done yet, with a progress bar, and return the results of all.

    Args:
        work: Function from a job to its result (JSON values); importable by name.
        jobs: Jobs in the order of the results.
        done: Store of the results.
        workers: Number of parallel processes of one thread each; 0 runs in this process.
        describe: Function from a job to a few words for the progress bar.

    Raises:
        ValueError: Another process runs jobs of the same store.
    """
    shown = time.monotonic()
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with alone_with(done.path), Progress(*columns) as progress:
        done.read()
        todo = [job for job in jobs if done.get(job) is None]
        bar = progress.add_task("", total=len(jobs), completed=len(jobs) - len(todo))

        def finish(job: Job, result: Any) -> None:
            nonlocal shown
            done.store(job, result)
            progress.update(bar, advance=1, description=describe(job))
            # A log has no bar that moves.
            if not progress.console.is_terminal and time.monotonic() - shown > _SILENCE_S:
                shown = time.monotonic()
                state = progress.tasks[bar]
                progress.console.print(f"{state.completed:.0f} of {state.total:.0f}: {state.description}")

        if workers == 0:
            for job in todo:
                finish(job, work(job))
        else:
            others = set(active_children())
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker)
            try:
                running = {pool.submit(work, job): job for job in todo}
                for future in as_completed(running):
                    finish(running[future], future.result())
            except BaseException:
                for worker in set(active_children()) - others:
                    worker.terminate()
                raise
            finally:
                pool.shutdown(cancel_futures=True)
    return [done.get(job) for job in jobs]
