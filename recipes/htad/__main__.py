"""``python -m recipes.htad``: fill the table, show it, write the run folder."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import ArgumentParser
from rich.console import Console

from fusion import list_fusions
from fusion._base import FUSIONS
from recipes.harness import (
    Cells,
    Row,
    RunFolder,
    command,
    machine,
    print_table,
    run_cells,
    versions,
    write_json,
)
from recipes.htad.config import DEFAULT_FUSION, Config
from recipes.htad.data import LICENCE, MODALITIES, PROTOCOLS, folds, load
from recipes.htad.report import report
from recipes.htad.train import REFERENCES, run_cell

ABLATION = {None: "activity alone", "uncertainty": "with motion"}


def parse(arguments: list[str] | None = None) -> tuple[Config, str]:
    """The options, and the same as YAML."""
    parser = ArgumentParser(
        prog="python -m recipes.htad",
        description=Config.__doc__,
        version=version("plait"),
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options.")
    parser.add_class_arguments(Config)
    parsed = parser.parse_args(arguments)
    config = Config(**{f.name: parsed[f.name] for f in dataclasses.fields(Config)})
    for name in config.fusions:
        if name not in list_fusions():
            FUSIONS.get(name)
    for name in ("seeds", "epochs", "batch_size", "width"):
        if getattr(config, name) < 1:
            parser.error(f"--{name} should be 1 or more. Found {getattr(config, name)}.")
    for name in ("fusions", "strengths"):
        if not getattr(config, name):
            parser.error(f"--{name} should hold at least one. Found [].")
    kept = parsed.clone()
    for name in ("config", "resume", "output", "workers"):  # they change nothing of the result
        kept.pop(name, None)
    return config, parser.dump(kept, skip_validation=True)


def all_cells(config: Config) -> list[dict[str, Any]]:
    """Every cell of the table; the long ones first, so that the workers end together."""
    data = load(config.data)
    keep = DEFAULT_FUSION if DEFAULT_FUSION in config.fusions else config.fusions[0]
    rows = [(keep, w) for w in ABLATION] + [(f, None) for f in config.fusions if f != keep]
    rows += [(name, None) for name in (*MODALITIES, *REFERENCES)]
    return [
        {"row": row, "weighting": w, "protocol": p, "seed": seed, "fold": fold, "keep": keep}
        for row, w in rows
        for p in PROTOCOLS
        for seed in range(config.seeds)
        for fold in range(len(folds(data, p, seed)))
    ]


def summarise(cells: list[dict[str, Any]], results: Mapping[int, Any]) -> list[Row]:
    """Rows of the table from the cells' results."""
    rows = []
    groups: dict[tuple[str, str | None, str], list[int]] = {}
    for i, cell in enumerate(cells):
        groups.setdefault((cell["row"], cell["weighting"], cell["protocol"]), []).append(i)
    for (row, weighting, protocol), members in groups.items():
        default = row == cells[members[0]]["keep"] and weighting is None
        name = row if weighting is None else f"{row} {ABLATION[weighting]}"
        for task, metric, key in (("activity", "accuracy", "accuracy"), ("motion", "r2", "r2")):
            scores = [results[i][key] for i in members if key in results[i]]
            if scores:
                mean, std = float(np.mean(scores)), float(np.std(scores, ddof=1))
                figure = (protocol, task, metric, mean, std, scores)
                rows.append(Row(name, _stage(row), default, *figure, ablation=weighting is not None))
    order = ["single", "early", "intermediate", "late", "decision", "reference", "ablation"]
    return sorted(rows, key=lambda r: order.index(r.group))


def _stage(row: str) -> str:
    if row in MODALITIES:
        return "single"
    return "reference" if row in REFERENCES else FUSIONS.get(row).stage


def main(arguments: list[str] | None = None) -> Path:
    """Run the recipe; returns the run folder."""
    config, text = parse(arguments)
    console = Console()
    console.print(f"[dim]{LICENCE}[/dim]")
    cells = all_cells(config)  # before the folder: without data there is no run
    folder = RunFolder(config.output, text, resume=config.resume)
    console.print(f"Writing to {folder.path}")
    done = Cells(folder.path / "cells.jsonl")
    work = partial(run_cell, config, folder.path / "checkpoints")
    results = dict(enumerate(run_cells(work, cells, done, workers=config.workers, describe=_describe)))
    rows = summarise(cells, results)
    write_json(
        folder.path / "metrics.json",
        {
            "command": command(),
            "versions": versions(),
            "machine": machine(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seeds": list(range(config.seeds)),
            "licence": LICENCE,
            "std": "over folds and seeds",
            "table": [dataclasses.asdict(r) for r in rows],
        },
    )
    activity = [r for r in rows if r.task == "activity"]
    print_table(activity, title="HTAD: accuracy of the activity", protocols=PROTOCOLS)
    report(folder.path / "report.html", config, rows, cells, results)
    console.print(f"Report: {folder.path / 'report.html'}")
    return folder.path


def _describe(cell: Mapping[str, Any]) -> str:
    extra = f", {cell['weighting']}" if cell["weighting"] else ""
    return f"{cell['row']}{extra}, {PROTOCOLS[cell['protocol']]}, fold {cell['fold'] + 1}"


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, TypeError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; go on with --resume and the same options")
