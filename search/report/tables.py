"""The records of a search as CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sennit.search.records import Record, Slot
from sennit.search.report.genome_text import describe_genome
from sennit.search.report.runs import Runs, best_of, cost_of, front_of, hypervolumes, main_of


def records_csv(runs: Runs, objectives: Sequence[str]) -> str:
    """Return a CSV text with a row for each candidate, by strategy and slot.

    ``genome`` is the line of `Genome.to_json`; slots are written ``generation/index``.
    """
    rows: list[dict[str, Any]] = []
    for name, records in runs.items():
        front = {r.proposal.slot for r in front_of(records)}
        for r in records:
            generation, index = r.proposal.slot
            rows.append(
                {
                    "strategy": name,
                    "generation": generation,
                    "index": index,
                    "parent": _slot(r.proposal.parent),
                    "copied_from": _slot(r.copied_from),
                    "front": int(r.proposal.slot in front),
                    **dict(zip(objectives, r.values, strict=True)),
                    **_measured(r),
                    "epochs": r.evaluation.epochs,
                    "seconds": r.evaluation.seconds,
                    "key": r.proposal.genome.key,
                    "description": describe_genome(r.proposal.genome),
                    "genome": r.proposal.genome.to_json(),
                }
            )
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def search_json(runs: Runs, objectives: Sequence[str], *, population: int, summary: str) -> dict[str, Any]:
    """Return plain JSON values: the best, the front and the cost of the main strategy, then of each."""
    volumes = hypervolumes(runs, objectives) if len(objectives) > 1 else {}
    strategies = {}
    for name, records in runs.items():
        best = best_of(records)
        strategies[name] = {
            "best": best and _candidate(best, objectives),
            "front": [_candidate(r, objectives) for r in front_of(records)],
            "cost": asdict(cost_of(records)),
            "hypervolume": volumes.get(name),
        }
    main = main_of(runs)
    return {
        "summary": summary,
        "strategy": main,
        "objectives": list(objectives),
        "population": population,
        **{key: strategies[main][key] for key in ("best", "front", "cost")},
        "strategies": strategies,
    }


def _candidate(record: Record, objectives: Sequence[str]) -> dict[str, Any]:
    return {
        "slot": list(record.proposal.slot),
        **dict(zip(objectives, record.values, strict=True)),
        **_measured(record),
        "description": describe_genome(record.proposal.genome),
        "genome": record.proposal.genome.to_dict(),
    }


def _measured(record: Record) -> dict[str, float]:
    errors = {f"error/{task}": error for task, error in record.evaluation.errors.items()}
    return {"error": record.evaluation.error, **errors, **record.costs}


def _slot(slot: Slot | None) -> str:
    return "" if slot is None else "{}/{}".format(*slot)
