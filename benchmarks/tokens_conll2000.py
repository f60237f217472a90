"""Chunks and parts of speech of CoNLL-2000 as two tasks over one network of words, beside a linear tagger.

A `bilstm` encoder (words and characters, nothing pretrained) with two `TokenClassification` tasks is
trained on the whole training file with hard sharing, and with `cross_stitch`, with three seeds each; a
logistic regression on words, neighbours and endings is trained on the same sentences. All are scored on the
test file, which chose nothing: settings were chosen on the last tenth of the training file (``--validation``
trains on the rest and scores that tenth).

``ours`` and ``peer`` are figures on the scored sentences: accuracy by token, and F1 of whole chunks, read
strictly as IOB2. ``ratio`` is ours over the peer, above 1 is better; its spread is that of the seeds.
``table`` in the file has mean, standard deviation and each seed of every figure.

Each training that ends leaves a small file in the folder of ``--work`` and is not run again.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from statistics import fmean
from typing import Any

from benchmarks._conll2000 import LINEAR, SETTINGS, Case, describe, train
from benchmarks._harness import Result, arguments, report
from benchmarks._screen import Outcome, Trainings, add_options, run, spread
from sennit.files import write_json

SHARINGS = ("hard", "cross_stitch")
SEEDS = 3
QUICK = {"epochs": 5, "sentences": 600, "batch_size": 8}
FIGURES = {"accuracy": "accuracy by token", "span_f1": "F1 of chunks"}
NAMES = {"chunk": "chunks", "speech": "parts of speech"}
NOTES = (
    "ours and peer: figures on the scored sentences, means over seeds; ratio: ours / peer; spread: lowest "
    "and highest seed. The peer is trained once."
)


def main() -> None:
    """Train, print, write."""
    options = arguments("tokens_conll2000", __doc__ or "", _options)
    settings = {**SETTINGS, **(QUICK if options.quick else {}), "validation": options.validation}
    seeds = 1 if options.quick else options.seeds
    done = Trainings(options.work / ("quick" if options.quick else "full"))
    wanted = [(Case(LINEAR), settings, 0)]
    wanted += [(Case(sharing), settings, seed) for seed in range(seeds) for sharing in SHARINGS]
    outcomes = run(partial(train, options.data), wanted, done, workers=options.workers, describe=describe)
    rows = rows_of(outcomes)
    report("tokens_conll2000", rows, options.out, packages=("sennit", "torch", "scikit-learn"), notes=NOTES)
    written = json.loads(options.out.read_text())
    write_json(
        options.out,
        written | {"settings": settings, "table": table(outcomes)},
    )


def _options(parser: argparse.ArgumentParser) -> None:
    add_options(parser, name="tokens_conll2000")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of each (default: %(default)s)")
    parser.add_argument("--validation", action="store_true", help="score the last tenth of the training file")


def values_of(outcomes: dict[tuple[Case, int], Outcome], sharing: str, task: str, figure: str) -> list[float]:
    """Return a figure of each seed."""
    chosen = [outcome for (case, _), outcome in outcomes.items() if case.sharing == sharing]
    return [outcome["test"][task][figure] for outcome in chosen]


def rows_of(outcomes: dict[tuple[Case, int], Outcome]) -> list[Result]:
    """Return a row for each sharing and figure."""
    rows = []
    for sharing in SHARINGS:
        for task, figure in (("chunk", "accuracy"), ("chunk", "span_f1"), ("speech", "accuracy")):
            ours = values_of(outcomes, sharing, task, figure)
            (peer,) = values_of(outcomes, LINEAR, task, figure)
            rows.append(
                Result(
                    f"{NAMES[task]}: {sharing} against a {LINEAR}",
                    round(fmean(ours), 4),
                    round(peer, 4),
                    round(fmean(ours) / peer, 4),
                    FIGURES[figure],
                    len(ours),
                    (round(min(ours) / peer, 4), round(max(ours) / peer, 4)),
                )
            )
    return rows


def table(outcomes: dict[tuple[Case, int], Outcome]) -> dict[str, Any]:
    """Return every figure of every method, with its spread over the seeds."""
    methods = dict.fromkeys(case.sharing for case, _ in outcomes)
    figures = {(t, f) for o in outcomes.values() for t, values in o["test"].items() for f in values}
    return {
        method: {f"{t} {f}": spread(values_of(outcomes, method, t, f)) for t, f in sorted(figures)}
        for method in methods
    }


if __name__ == "__main__":
    main()
