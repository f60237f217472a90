"""`sennit table fit` beside AutoGluon, boosted trees and a support vector machine, on eight tables.

Same rows, same time limit, on a processor, one thread a run. Accuracy is that on the test rows. Ours is the
command ``sennit table fit TABLE --target ... --preset medium --time_limit ...``, without editing; each
modality alone is the same command on a table that has no other input. AutoGluon's `TabularPredictor` reads
numbers, categories and texts; it has a target at a time, each with its share of the time. Settings of ours
were chosen on validation rows and on other data. Every finished run is a file in ``--work``: the same call
resumes.

About 30 minutes with two quiet cores. `alone` (``--systems ours alone``) takes a run more for each modality
of the four tables of several, 36 of 95 s; ``best_alone`` in the file says what ours gains over the best one.

``python -m benchmarks.tables --autogluon /path/to/python --jobs 2``; reads the folder that SENNIT_DATA names.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Lines

from benchmarks._harness import arguments, report
from benchmarks._tables_peers import boosted_trees, support_vectors
from benchmarks._tables_sound import TABLES
from benchmarks._tables_summary import LINES, Job, against_peers, best_alone, summary
from sennit.files import write_json

SYSTEMS = ("ours", "trees", "svm", "autogluon", "alone")


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Yield the runs, seed by seed, so that an interrupted benchmark has whole seeds."""
    for seed in range(1 if options.quick else options.seeds):
        for system in options.systems:
            for name in options.tables:
                table = TABLES[name]
                columns: tuple[str, ...] = ("",)
                if system == "alone":
                    plain = ("table",) if table.numbers or table.categories else ()
                    columns = (*table.media, *table.texts, *plain)
                    columns = columns if len(columns) > 1 else ()
                readable = table.texts or table.numbers or table.categories
                if system in ("autogluon", "trees") and not readable:
                    continue
                if system == "svm" and set(table.media.values()) != {"audio"}:
                    continue
                if system == "autogluon" and options.autogluon is None:
                    continue
                yield from (Job(seed, name, system, column) for column in columns)


def run(job: Job, options: argparse.Namespace) -> dict[str, Any]:
    """Return the accuracy of each target, and the seconds; from its file where it is finished."""
    out = options.work / f"{job.name}.json"
    if out.is_file():
        result: dict[str, Any] = json.loads(out.read_text())
        return result
    table = TABLES[job.table]
    path = options.work / "data" / f"{job.table}-{job.seed}" / "table.csv"
    start = time.perf_counter()
    if job.system in ("trees", "svm"):
        score = boosted_trees if job.system == "trees" else support_vectors
        accuracy = {target: score(table, path, target) for target in table.targets}
    elif job.system == "autogluon":
        accuracy = _autogluon(job, path, options)
    else:
        if job.system == "alone":
            path = _alone(job, path)
        accuracy = _ours(job, path, options)
    result = {"accuracy": accuracy, "seconds": round(time.perf_counter() - start, 1)}
    write_json(out, result)
    print(job.name, result, flush=True)
    return result


def _ours(job: Job, path: Path, options: argparse.Namespace) -> dict[str, float]:
    folder = options.work / "runs" / job.name
    seconds = 2 if options.quick else options.time_limit
    command = [
        sys.executable,
        "-m",
        "sennit",
        "table",
        "fit",
        str(path),
        "--preset",
        "fast" if options.quick else "medium",
    ]
    command += ["--target", ",".join(TABLES[job.table].targets), "--time_limit", f"{seconds}s"]
    command += ["--seed", str(job.seed), "--workers", "0", "--output", str(folder)]
    _call(command, options.work / f"{job.name}.log")
    latest = sorted(folder.glob("*/metrics.json"))[-1]
    test = json.loads(latest.read_text())["test"]
    return {target: test[target]["accuracy"] for target in TABLES[job.table].targets}


def _alone(job: Job, path: Path) -> Path:
    """Write the table with the inputs of one modality, beside its files; rows without it stay."""
    table = TABLES[job.table]
    inputs = (*table.numbers, *table.categories) if job.column == "table" else (job.column,)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    out = path.with_name(f"only-{job.column}.csv")
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["split", *table.targets, *inputs], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in rows if any(row[name] for name in inputs))
    return out


def _autogluon(job: Job, path: Path, options: argparse.Namespace) -> dict[str, float]:
    table = TABLES[job.table]
    columns = ",".join((*table.texts, *table.numbers, *table.categories))
    seconds = (2 if options.quick else options.time_limit) / len(table.targets)
    accuracy = {}
    for target in table.targets:
        out = options.work / f"{job.name}-{target}.part"
        script = Path(__file__).with_name("_tables_autogluon.py")
        given = [str(path), target, columns, str(seconds), str(job.seed), str(out)]
        _call([str(options.autogluon), str(script), *given], options.work / f"{job.name}.log")
        accuracy[target] = json.loads(out.read_text())["accuracy"]
    return accuracy


def _call(command: list[str], log: Path) -> None:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1")
    with log.open("w") as file:
        subprocess.run(
            command, check=True, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **threads}
        )


def main() -> None:
    """Run what is not finished, print the table and write the result file."""

    def extend(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--autogluon", type=Path, help="Python of an environment with autogluon.tabular")
        parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
        parser.add_argument(
            "--systems",
            nargs="+",
            default=list(SYSTEMS[:4]),
            choices=SYSTEMS,
            help="by default all but `alone`, which takes a run for each modality",
        )
        parser.add_argument("--seeds", type=int, default=3)
        parser.add_argument("--time_limit", type=float, default=90, help="seconds of a run")
        parser.add_argument("--jobs", type=int, default=2, help="runs side by side, a thread each")
        parser.add_argument("--work", type=Path, default=Path("/tmp/sennit-tables"), help="folder of runs")

    options = arguments("tables", str(__doc__).splitlines()[0], extend)
    planned = list(jobs(options))
    for name, seed in dict.fromkeys((job.table, job.seed) for job in planned):
        folder = options.work / "data" / f"{name}-{seed}"
        if not (folder / "table.csv").is_file():
            TABLES[name].write(Path(os.environ["SENNIT_DATA"]), folder, seed)
    with ThreadPoolExecutor(options.jobs) as pool:
        results = dict(zip(planned, pool.map(lambda job: run(job, options), planned), strict=True))
    table = summary(results)
    lines = Lines(*table[0])
    for row in table:
        lines.add_row(*map(str, row.values()))
    Console().print(lines)
    report("tables", against_peers(results), options.out, packages=("sennit", "torch", "scikit-learn"))
    given = {"time_limit": options.time_limit, "jobs": options.jobs, "seeds": options.seeds, "lines": LINES}
    written = json.loads(options.out.read_text())
    write_json(options.out, written | {"settings": given, "table": table, "best_alone": best_alone(results)})


if __name__ == "__main__":
    main()
