"""Results of `benchmarks.tables` over the seeds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks._harness import Result

LINES = {
    "ours": "sennit table fit train.csv --target income",
    "autogluon": (
        "from autogluon.tabular import TabularDataset, TabularPredictor\n"
        "predictor = TabularPredictor(label='income').fit(TabularDataset('train.csv'))\n"
        "predictor.evaluate(TabularDataset('test.csv'))"
    ),
}
"""Code from a file to a test score: several targets take as many of AutoGluon's."""


@dataclass(frozen=True)
class Job:
    """A run: a system on a table of a seed; ``column`` is the one input of a modality alone."""

    seed: int
    table: str
    system: str
    column: str = ""

    @property
    def name(self) -> str:
        """Name of its file."""
        return "-".join(x for x in (self.table, f"{self.seed}", self.system, self.column) if x)


def summary(results: dict[Job, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each table, target and system: mean and deviation over the seeds."""
    grouped: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for job, result in results.items():
        for target, accuracy in result["accuracy"].items():
            system = f"{job.system} ({job.column})" if job.column else job.system
            grouped.setdefault((job.table, target, system), []).append((accuracy, result["seconds"]))
    rows = []
    for (table, target, system), runs in grouped.items():
        accuracies, seconds = zip(*runs, strict=True)
        rows.append(
            {
                "table": table,
                "target": target,
                "system": system,
                "accuracy": round(statistics.fmean(accuracies), 4),
                "deviation": round(statistics.stdev(accuracies), 4) if len(runs) > 1 else 0.0,
                "seconds": round(statistics.fmean(seconds), 1),
                "runs": len(runs),
                "lines_of_code": len(LINES.get(system, "").splitlines()),
            }
        )
    return rows


def against_peers(results: dict[Job, dict[str, Any]]) -> list[Result]:
    """Return ours against each other system: means over the seeds, and the ratios of single seeds."""
    rows = []
    for table, target, system in dict.fromkeys(
        (job.table, target, f"{job.system} ({job.column})" if job.column else job.system)
        for job, result in results.items()
        for target in result["accuracy"]
    ):
        pairs = [
            (results[mine]["accuracy"][target], result["accuracy"][target])
            for job, result in results.items()
            if job.table == table and f"{job.system} ({job.column})".removesuffix(" ()") == system
            if (mine := Job(job.seed, table, "ours")) in results and system != "ours"
        ]
        if pairs:
            ours, peers = (statistics.fmean(side) for side in zip(*pairs, strict=True))
            ratios = [a / b for a, b in pairs]
            rows.append(
                Result(
                    f"{table}, {target}: ours vs {system}",
                    round(ours, 4),
                    round(peers, 4),
                    round(statistics.fmean(ratios), 4),
                    "accuracy",
                    len(pairs),
                    (round(min(ratios), 4), round(max(ratios), 4)),
                )
            )
    return rows


def best_alone(results: dict[Job, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return ours beside the modality that by itself has the best mean over the seeds, for each target.

    A modality alone is tested on the rows that have it, ours on all rows: those are the harder ones. The best
    is chosen by the test scores, in its favour.
    """
    alone: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = {}
    for job, result in results.items():
        mine = results.get(Job(job.seed, job.table, "ours"))
        if job.system == "alone" and mine is not None:
            for target, accuracy in result["accuracy"].items():
                of_target = alone.setdefault((job.table, target), {})
                of_target.setdefault(job.column, []).append((mine["accuracy"][target], accuracy))
    rows = []
    for (table, target), columns in alone.items():
        column = max(columns, key=lambda name: statistics.fmean(peer for _, peer in columns[name]))
        ours, peers = zip(*columns[column], strict=True)
        gains = [a - b for a, b in columns[column]]
        rows.append(
            {
                "table": table,
                "target": target,
                "best_modality": column,
                "alone": round(statistics.fmean(peers), 4),
                "ours": round(statistics.fmean(ours), 4),
                "gain": round(statistics.fmean(gains), 4),
                "least_gain": round(min(gains), 4),
                "runs": len(gains),
            }
        )
    return rows
