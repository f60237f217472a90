"""Workers as processes on this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from multiprocessing import get_context

import torch

from sennit.processes import end_with_parent
from sennit.search.study.connection import grace_s
from sennit.search.study.history import History
from sennit.search.study.storage import Store
from sennit.search.study.worker import Job, Worker

_POLL_S = 0.2
_JOIN_S = 10.0


def _work(job: Job, threads: int) -> None:
    """Run a worker in a process that gives its claim back on SIGTERM and ends with its parent."""
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent receives it too, and ends its workers
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    end_with_parent()
    try:
        store = job.open()
        Worker(job, store, job.history(store)).run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)  # so that the parent sees the cause


def run_processes(
    job: Job,
    store: Store,
    history: History,
    workers: int,
    watch: Callable[[History], None],
    say: Callable[[str], None],
) -> None:
    """Run a job in several processes until the study is complete.

    A process that is killed is not started again: the others take over its slice.

    Args:
        job: Job of the workers.
        store: Open study, for progress.
        history: Current view of the study; complete in the end.
        workers: Number of processes; they share the threads of PyTorch in this one.
        watch: Function called with the history whenever it changes.
        say: Function called with messages for the user.

    Raises:
        RuntimeError: A worker failed, or all were killed.
    """
    context = get_context("spawn")
    threads = max(1, torch.get_num_threads() // workers)
    processes = {i: context.Process(target=_work, args=(job, threads)) for i in range(workers)}
    try:
        for process in processes.values():
            process.start()
        while processes:
            time.sleep(_POLL_S)
            if store.completed() != history.finished:
                history.refresh()
                watch(history)
            for i, process in list(processes.items()):
                if process.exitcode is None:
                    continue
                del processes[i]
                if process.exitcode > 0:
                    history.refresh()
                    raise RuntimeError(_why(i, process.exitcode, history))
                if process.exitcode < 0:
                    name = signal.Signals(-process.exitcode).name
                    if not processes:
                        raise RuntimeError(
                            f"the last worker was ended by {name}. The same call resumes the search."
                        )
                    say(
                        f"worker {i} was ended by {name}; the others take over its candidates "
                        f"{grace_s(job.heartbeat_s)} s later"
                    )
        history.refresh()
    finally:
        for process in processes.values():
            if process.is_alive():
                process.terminate()
        for process in processes.values():
            process.join(_JOIN_S)
            if process.is_alive():
                process.kill()


def _why(worker: int, code: int, history: History) -> str:
    errors = [trial.user_attrs["error"] for trial in history.failed.values() if "error" in trial.user_attrs]
    if errors:
        return f"training candidates of generation {history.generation} failed: {errors[0]}"
    return (
        f"worker {worker} ended with exit code {code}; its output on stderr says why. Does a script that "
        "searches with several workers keep its calls under `if __name__ == '__main__':`?"
    )
