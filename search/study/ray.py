"""Workers as Ray tasks on the machines of a cluster."""

from __future__ import annotations

from collections.abc import Callable

from sennit.search.study.history import History
from sennit.search.study.storage import Store
from sennit.search.study.worker import Job, Worker

_POLL_S = 0.5


def _work(job: Job) -> None:
    store = job.open()
    Worker(job, store, job.history(store)).run()


def run_ray(job: Job, store: Store, history: History, workers: int, watch: Callable[[History], None]) -> None:
    """Run a job as Ray tasks until the study is complete.

    Every machine of the cluster must reach the storage. Ray restarts tasks whose process died.

    Source: Moritz et al. 2018, "Ray: A Distributed Framework for Emerging AI Applications".

    Args:
        job: Job of the workers.
        store: Open study, for progress.
        history: Current view of the study; complete in the end.
        workers: Number of tasks.
        watch: Function called with the history whenever it changes.

    Raises:
        ImportError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ImportError("`launcher='ray'` needs Ray. Install it with: pip install 'sennit[ray]'.") from None

    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False)
    running = [ray.remote(_work).remote(job) for _ in range(workers)]
    try:
        while running:
            done, running = ray.wait(running, num_returns=len(running), timeout=_POLL_S)
            ray.get(done)
            if store.completed() != history.finished:
                history.refresh()
                watch(history)
        history.refresh()
    finally:
        for task in running:
            ray.cancel(task)
