"""Methods without labels, or against them, trained end to end on real data, each beside its baseline.

Both have the same seeds, that is the same samples, initial weights and order, and the same number of steps.
Settings were fixed with ``--tune``: other seeds (from 100), scored on training data that no run trains on.
Test data are for the table alone. Every run is stored when it is done: the command resumes.

``ours`` and ``peer`` are means over seeds; ``ratio`` is the mean of ours / peer by seed, ``spread`` the least
and the greatest. ``table`` in the file has mean, standard deviation and each seed of every figure.

    nice python -m benchmarks.unlabelled_proofs --data PATH
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import (
    _proof_batch_norm,
    _proof_debiasing,
    _proof_deep_cluster,
    _proof_domain,
    _proof_ladder,
    _proof_masked,
    _proof_mixmatch,
    _proof_mvae,
)
from benchmarks._proof import Comparison, Figures
from benchmarks._screen import spread
from sennit.files import write_json
from sennit.recipes.harness import provenance

PROOFS = {
    "domain adversary": _proof_domain.PROOF,
    "debiasing": _proof_debiasing.PROOF,
    "mixmatch": _proof_mixmatch.PROOF,
    "mvae": _proof_mvae.PROOF,
    "mean teacher with batch norm": _proof_batch_norm.PROOF,
    "deep cluster": _proof_deep_cluster.PROOF,
    "ladder": _proof_ladder.PROOF,
    "masked tokens": _proof_masked.PROOF,
}


def main() -> None:
    """Run what is missing, write it, and print the table."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlabelled_proofs", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--tune", action="store_true", help="other seeds, scored on held-out training data")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default: %(default)s)")
    parser.add_argument("--proofs", nargs="+", default=list(PROOFS), choices=list(PROOFS))
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "unlabelled_proofs.json"
    )
    options = parser.parse_args()
    out = options.out.with_suffix(".tune.json") if options.tune else options.out
    runs: dict[str, Figures] = json.loads(out.read_text())["runs"] if out.exists() else {}
    for name in options.proofs:
        for seed in range(options.seeds):
            for method in PROOFS[name].methods:
                key = f"{name}/{method}/{seed}"
                if key in runs:
                    continue
                runs[key] = PROOFS[name].run(method, seed + 100 * options.tune, options.data, options.tune)
                Console().print(key, {figure: round(value, 4) for figure, value in runs[key].items()})
                write_json(out, result_of(runs))
    print_table(rows_of(runs))


def result_of(runs: dict[str, Figures]) -> dict[str, Any]:
    """Return what the result file holds."""
    return {
        "benchmark": "unlabelled_proofs",
        **provenance(module="benchmarks.unlabelled_proofs"),
        "rows": rows_of(runs),
        "table": table_of(runs),
        "runs": runs,
    }


def by_seed(runs: dict[str, Figures], name: str, method: str) -> dict[str, Figures]:
    """Return the figures of a method, by seed."""
    start = f"{name}/{method}/"
    return {key.removeprefix(start): figures for key, figures in runs.items() if key.startswith(start)}


def table_of(runs: dict[str, Figures]) -> dict[str, Any]:
    """Return mean, standard deviation and each seed of every figure, by proof and method."""
    table: dict[str, Any] = {}
    for name, proof in PROOFS.items():
        for method in proof.methods:
            figures = list(by_seed(runs, name, method).values())
            if figures:
                spreads = {key: spread([f[key] for f in figures]) for key in figures[0]}
                table.setdefault(name, {})[method] = spreads
    return table


def rows_of(runs: dict[str, Figures]) -> list[dict[str, Any]]:
    """Return a row for each comparison that has a seed on both sides."""
    rows = [row_of(runs, name, c) for name, proof in PROOFS.items() for c in proof.comparisons]
    return [row for row in rows if row["runs"]]


def row_of(runs: dict[str, Figures], name: str, comparison: Comparison) -> dict[str, Any]:
    """Return the row of a comparison, over the seeds that both sides have."""
    ours, peer = (by_seed(runs, name, m) for m in (comparison.method, comparison.baseline))
    pairs = [(ours[s][comparison.figure], peer[s][comparison.figure]) for s in ours if s in peer]
    ratios = [a / b for a, b in pairs] or [0.0]
    means = [statistics.fmean(side) for side in zip(*pairs, strict=True)] or [0.0, 0.0]
    return {
        "what": f"{name}: {comparison.method} vs {comparison.baseline}",
        "ours": round(means[0], 4),
        "peer": round(means[1], 4),
        "ratio": round(statistics.fmean(ratios), 4),
        "unit": comparison.unit,
        "runs": len(pairs),
        "spread": [round(min(ratios), 4), round(max(ratios), 4)],
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the rows."""
    table = Table("what", "unit", "ours", "peer", "ratio", "spread", "seeds")
    for row in rows:
        low, high = row["spread"]
        figures = (f"{row[key]:.4f}" for key in ("ours", "peer", "ratio"))
        table.add_row(row["what"], row["unit"], *figures, f"{low:.3f} to {high:.3f}", str(row["runs"]))
    Console().print(table)


if __name__ == "__main__":
    main()
