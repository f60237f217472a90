"""Figures of the README's table, each read from a result file."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@functools.cache
def result(name: str) -> dict[str, Any]:
    """Return a result file."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return content


def score(recipe: str, method: str, task: str, protocol: str = "test") -> str:
    """Return the mean score of a method in a recipe's table, with its standard deviation."""
    wanted = {"name": method, "task": task, "protocol": protocol}
    (row,) = (r for r in result(f"recipes/{recipe}")["table"] if wanted.items() <= r.items())
    return f"{row['mean']:.3f} ± {row['std']:.3f}" if row["std"] else f"{row['mean']:.3f}"


def searched(data: str, task: str, declared: str) -> tuple[str, str]:
    """Return a search's figures after what they are of: of its final round, or trained anew."""
    values = result(f"recipes/search_{data}")
    if "comparison" not in values:
        names = ("genetic search", "random search", declared)
        what = f"`{data}`, {task}: fusions of the genetic search and of random search, and the declared one"
        return what, ", ".join(score(f"search_{data}", name, task) for name in names)
    entries = values["comparison"]
    against = "; ".join(
        "{} {:.3f}, {:+.3f} [{:+.3f}, {:+.3f}]".format(
            entry["against_name"], entry["against"], entry["difference"], *entry["interval"]
        )
        for entry in entries
    )
    what = f"`{data}`, {entries[0]['metric']}: the model that a search chose against others"
    return what, f"{entries[0]['found']:.3f} against {against}"


def table_accuracies() -> str:
    """Return the accuracies of `sennit table fit` by table, beside those of its peers."""
    shown: dict[tuple[str, str], dict[str, str]] = {}
    for row in result("tables")["table"]:
        figure = f"{row['accuracy']:.3f} ± {row['deviation']:.3f}"
        shown.setdefault((row["table"], row["target"]), {})[row["system"]] = figure
    peers = {"trees": "trees", "svm": "SVM", "autogluon": "AutoGluon"}
    return (
        "; ".join(
            f"{table} {target} {of['ours']} ("
            + ", ".join(f"{name} {of[system]}" for system, name in peers.items() if system in of)
            + ")"
            for (table, target), of in shown.items()
        )
        .replace("_", " ")
        .replace(" ()", "")
    )


def equal_error_rate(system: str, normalise: str, length: str) -> str:
    """Return the equal error rate of a speaker system scored by PLDA, in percent."""
    wanted = {"system": system, "normalise": normalise, "length": length, "backend": "plda"}
    (row,) = (r for r in result("recipes/xvector")["table"] if wanted.items() <= r.items())
    return f"{100 * row['eer']:.1f} ± {100 * row['eer_std']:.1f} %"


def measured(benchmark: str, *starts: str) -> list[dict[str, Any]]:
    """Return the rows that begin with these texts, in their order, but for those that were not run."""
    rows = result(benchmark)["rows"]
    return [row for start in starts for row in rows if row["what"].startswith(start) and row["runs"]]


def ratios(benchmark: str, *starts: str) -> list[float]:
    """Return the ratios of the rows that begin with these texts."""
    return [row["ratio"] for row in measured(benchmark, *starts)]


def times(ratio: float) -> str:
    """Return how many times as fast, to three digits."""
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def each(values: list[float]) -> str:
    """Return several ratios."""
    return ", ".join(f"{times(value)}×" for value in values)


def between(values: list[float]) -> str:
    """Return the lowest and the highest of several ratios."""
    return f"{min(values):.2f}–{max(values):.2f}×"


def statement(data: str, what: str) -> str:
    """Return a paired difference of the benchmark of sharings, in points."""
    statements = result("multitask_accuracy")["statements"]
    (difference,) = (s["difference"] for s in statements if (s["data"], s["what"]) == (data, what))
    return f"{100 * difference['mean']:+.1f} ± {100 * difference['std']:.1f}"


def gains(what: str, against: str) -> list[tuple[float, float]]:
    """Return the differences of a fusion to another on all data sets, each with its standard deviation."""
    statements = result("fusion_accuracy")["statements"]
    differences = [
        s["test"]["difference"] for s in statements if against == s["against"] and what in ("", s["what"])
    ]
    return [(d["mean"], d["std"]) for d in differences]


def span(values: list[tuple[float, float]], digits: int) -> str:
    """Return the lowest and the highest of several differences."""
    means = [mean for mean, _ in values]
    return f"{min(means):+.{digits}f} to {max(means):+.{digits}f}"
