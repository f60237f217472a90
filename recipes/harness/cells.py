"""Work cut into cells: run side by side, each stored when it ends, none run twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sennit.files import write_text

Cell = Mapping[str, Any]
_SILENCE_S = 20.0


class Cells:
    """The finished cells of a run, one line of JSON each; a line cut short by a kill is run again.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "cells.jsonl"
        >>> Cells(path).store({"fold": 0}, {"accuracy": 0.9})
        >>> Cells(path).get({"fold": 0})
        {'accuracy': 0.9}
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, Any] = {}
        if path.exists():
            # Only a last line without its end can be half-written.
            whole = path.read_text().rpartition("\n")[0]
            for line in whole.splitlines():
                entry = json.loads(line)
                self._done[_key(entry["cell"])] = entry["result"]
            write_text(path, whole + "\n" if whole else "")

    def get(self, cell: Cell) -> Any | None:
        """The result of a cell, or None."""
        return self._done.get(_key(cell))

    def store(self, cell: Cell, result: Any) -> None:
        """Keep a result, on disk before this returns."""
        with self.path.open("a") as file:
            file.write(json.dumps({"cell": cell, "result": result}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._done[_key(cell)] = result


def _key(cell: Cell) -> str:
    return json.dumps(cell, sort_keys=True)


def _start_worker() -> None:
    """One thread, silent on Ctrl-C, and gone when the process that gives out the cells is gone."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def run_cells(
    work: Callable[[Cell], Any],
    cells: Sequence[Cell],
    done: Cells,
    *,
    workers: int,
    describe: Callable[[Cell], str],
) -> list[Any]:
    """Run the cells that are not done yet, with a progress bar, ``workers`` processes at a time.

    Args:
        work: From a cell to its result (JSON values); importable by name.
        cells: What to run.
        done: Where results are kept.
        workers: Processes, one thread each; 0 runs in this process.
        describe: A few words on a cell, for the progress bar.
    """
    todo = [c for c in cells if done.get(c) is None]
    shown = time.monotonic()
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=len(cells), completed=len(cells) - len(todo))

        def finish(cell: Cell, result: Any) -> None:
            nonlocal shown
            done.store(cell, result)
            progress.update(bar, advance=1, description=describe(cell))
            # Where there is no bar to move, as in a log.
            if not progress.console.is_terminal and time.monotonic() - shown > _SILENCE_S:
                shown = time.monotonic()
                state = progress.tasks[bar]
                progress.console.print(f"{state.completed:.0f} of {state.total:.0f}: {state.description}")

        if workers == 0:
            for cell in todo:
                finish(cell, work(cell))
        else:
            others = set(active_children())
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker)
            try:
                running = {pool.submit(work, cell): cell for cell in todo}
                for future in as_completed(running):
                    finish(running[future], future.result())
            except BaseException:
                for worker in set(active_children()) - others:
                    worker.terminate()
                raise
            finally:
                pool.shutdown(cancel_futures=True)
    return [done.get(cell) for cell in cells]
