"""Encoders of small sound on three sets of a few hundred recordings, beside a support vector machine.

The machine reads mean and deviation over time of 20 MFCC and of their differences, standardised; its C is
chosen by the validation part. Every net has the same epochs, batches, optimizer and one thread. ``ours`` is
the test accuracy of a net, ``peer`` the machine's; ``table`` in the file has validation and test accuracy and
the processor's seconds of each. ``chosen`` is the net with the highest mean validation accuracy; the test
parts chose nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks._choices import SUBSETS, Case, Divided, rows_of, tables, train
from benchmarks._harness import arguments, report
from benchmarks._screen import Outcome, Trainings, add_options, run
from benchmarks._sound_sets import RATE, SETS
from sennit.encoders import create_encoder
from sennit.encoders.features import MFCC
from sennit.files import write_json

PEER = "svm"
SMALL = {"name": "xvector", "widths": [128, 128, 128, 128, 256], "embed_dim": 128}
SPEED = [{"name": "speed_perturbation"}]
MASKS = [{"name": "spec_augment", "sample_rate": RATE}]
ENCODERS: dict[str, dict[str, Any]] = {
    PEER: {},
    "logmel_conv": {},
    "logmel_conv, statistics": {"name": "logmel_conv", "pooling": "statistics"},
    "logmel_conv, utterance": {"name": "logmel_conv", "pooling": "statistics", "normalise": "utterance"},
    "xvector": SMALL,
    "xvector, global": SMALL | {"normalise": "global"},
    "xvector, speed": SMALL | {"augment": SPEED},
    "xvector, speed and masks": SMALL | {"augment": SPEED + MASKS},
}
SETTINGS = {"epochs": 30, "batch_size": 32, "lr": 2e-3}
NOTES = (
    "ours and peer: test accuracy of the net and of the support vector machine, means over seeds; ratio: "
    "ours / peer; spread: lowest and highest seed."
)


def work(folder: Path, job: Mapping[str, Any], *, keep: Path | None = None) -> Outcome:
    """Train one encoder, or the support vector machine, on one set."""
    data = SETS[job["data"]](folder, job["seed"])
    if job["encoder"] == PEER:
        return machine(data)
    options = {"name": job["encoder"]} | ENCODERS[job["encoder"]]
    augment, name = options.pop("augment", []), options.pop("name")
    make = partial(create_encoder, name, sample_rate=RATE, **options)
    return train(data, make, job["settings"], seed=job["seed"], augment=augment)


def machine(data: Divided) -> Outcome:
    """Fit the support vector machine; return its accuracies."""
    start, mfcc = time.process_time(), MFCC(RATE, n_mfcc=20)
    rows = {}
    for subset in SUBSETS:
        vectors = []
        for x in data.samples[subset]:
            frames, _ = mfcc(x.unsqueeze(0))
            series = torch.cat([frames[0, 1:], frames[0].diff(dim=0)], 1)
            vectors.append(torch.cat([series.mean(0), series.std(0)]))
        rows[subset] = torch.stack(vectors).numpy()
    fitted = [
        make_pipeline(StandardScaler(), SVC(C=c)).fit(rows["train"], data.labels["train"])
        for c in (0.1, 1.0, 10.0, 100.0)
    ]
    best = max(fitted, key=lambda svm: svm.score(rows["validation"], data.labels["validation"]))
    scores = {s: float(best.score(rows[s], data.labels[s])) for s in ("validation", "test")}
    sizes = {s: len(data.labels[s]) for s in SUBSETS}
    return scores | {"seconds": time.process_time() - start, "rows": sizes}


def main() -> None:
    """Measure, print, write."""
    options = arguments("sound_choices", __doc__ or "", _options)
    settings = SETTINGS | ({"epochs": 1} if options.quick else {})
    sets = ["digits"] if options.quick else options.sets
    encoders = [PEER, "logmel_conv"] if options.quick else options.encoders
    done = Trainings(options.work / ("quick" if options.quick else "full"))
    seeds = range(1 if options.quick else options.seeds)
    wanted = [(Case(d, e), settings, s) for s in seeds for d in sets for e in encoders]
    step = partial(work, options.data)
    outcomes = run(step, wanted, done, workers=options.workers, describe=lambda job: job["encoder"])
    packages = ("sennit", "torch", "scikit-learn")
    report("sound_choices", rows_of(outcomes, PEER), options.out, packages=packages, notes=NOTES)
    written = json.loads(options.out.read_text())
    nets = [name for name in ENCODERS if name != PEER]
    write_json(options.out, written | {"settings": settings, **tables(outcomes, candidates=nets)})


def _options(parser: argparse.ArgumentParser) -> None:
    add_options(parser, name="sound_choices")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each (default: %(default)s)")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), help="sets (all)")
    parser.add_argument(
        "--encoders", nargs="+", choices=list(ENCODERS), default=list(ENCODERS), help="encoders (all)"
    )


if __name__ == "__main__":
    main()
