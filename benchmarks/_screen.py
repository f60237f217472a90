"""Shared parts of the benchmarks that try many methods once and train the best again."""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sennit.data import ResumableLoader
from sennit.files import write_json
from sennit.recipes.harness import Jobs, code, run_jobs
from sennit.tasks import Learner, fit

Outcome = dict[str, Any]
"""Result of a training in JSON values; or ``refused``: why the methods do not work on the data set."""


class Choice(Protocol):
    """One choice of methods on one data set, hashable."""

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return the training of a seed with these ``settings``, in JSON values."""
        ...


C = TypeVar("C", bound=Choice)


def add_options(parser: argparse.ArgumentParser, *, name: str) -> None:
    """Add ``--data``, ``--work`` and ``--workers``, for the benchmark of this name."""
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the recipes' data")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs") / name,
        help="folder of finished trainings (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")


class Trainings(Jobs):
    """A folder with a JSON file for each finished training, named after its methods and its seed.

    A file of the same methods under other settings, or of other code, is ignored and overwritten.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path, self.code = path, code()

    def read(self) -> None:
        """Read nothing ahead: each result is a file of its own."""

    def get(self, job: Mapping[str, Any]) -> Any | None:
        path = self._file(job)
        if not path.is_file():
            return None
        kept = json.loads(path.read_text())
        same = kept["job"] == json.loads(json.dumps(job)) and kept.get("code") == self.code
        return kept["result"] if same else None

    def store(self, job: Mapping[str, Any], result: Any) -> None:
        write_json(self._file(job), {"job": job, "code": self.code, "result": result})

    def _file(self, job: Mapping[str, Any]) -> Path:
        words = ["" if value is None else str(value) for key, value in job.items() if key != "settings"]
        return self.path / (re.sub(r"[^\w-]+", "_", "-".join(words)) + ".json")


def take_steps(learner: Learner, loader: ResumableLoader, *, steps: int) -> float:
    """Train silently; return the milliseconds that a step took."""
    start = time.perf_counter()
    fit(learner, loader, steps=steps, accelerator="cpu", progress=False)
    return 1e3 * (time.perf_counter() - start) / steps


def run(
    work: Callable[[Mapping[str, Any]], Outcome],
    wanted: Sequence[tuple[C, Mapping[str, Any], int]],
    done: Trainings,
    *,
    workers: int,
    describe: Callable[[Mapping[str, Any]], str],
) -> dict[tuple[C, int], Outcome]:
    """Run the trainings that the folder lacks, and return all outcomes by case and seed.

    Args:
        work: Function from a job to its outcome; importable by name.
        wanted: Cases, each with the settings of its data set and a seed.
        done: Folder of finished trainings.
        workers: Number of processes of one thread each; 0 runs in this process.
        describe: Function from a job to a few words for the progress bar.
    """
    jobs = [case.job(settings, seed) for case, settings, seed in wanted]
    outcomes = run_jobs(work, jobs, done, workers=workers, describe=describe)
    return {(case, seed): outcome for (case, _, seed), outcome in zip(wanted, outcomes, strict=True)}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, standard deviation and each of the values, for a result file."""
    std = statistics.stdev(values) if len(values) > 1 else None
    return {
        "mean": rounded(statistics.fmean(values)),
        "std": None if std is None else rounded(std),
        "each": [rounded(value) for value in values],
    }


def rounded(value: float) -> float | None:
    """Round to four digits; return None for a value that is not finite."""
    return round(value, 4) if math.isfinite(value) else None


def text(values: Sequence[float], digits: int) -> str:
    """Return the mean of the values, with their standard deviation."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"
