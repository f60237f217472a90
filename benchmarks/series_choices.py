"""Encoders of series on five small sets: which is the table recipe's default, and what augmentations add.

Every training has the same epochs, batches, optimizer and one thread. ``ours`` is the test accuracy of an
encoder, ``peer`` that of `tcn`, which was the default; ``table`` in the file has validation and test accuracy
and the processor's seconds of each. The choice is that with the highest mean validation accuracy; the test
parts chose nothing.

The sets are read from wheels, see `_series_sets`; each training that ends leaves a small file in the folder
of ``--work`` and is not run again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._choices import Case, rows_of, tables, train
from benchmarks._harness import arguments, report
from benchmarks._screen import Outcome, Trainings, add_options, run
from benchmarks._series_sets import SETS
from sennit.encoders import create_encoder
from sennit.files import write_json

PEER = "tcn"
NOISE = [{"name": "jitter"}, {"name": "scaling"}, {"name": "time_warp"}]
ENCODERS: dict[str, dict[str, Any]] = {
    PEER: {},
    "tcn, patches of 4": {"name": "tcn", "patch_size": 4},
    "series_transformer": {},
    "series_conv": {},
    "series_conv, statistics": {"name": "series_conv", "pooling": "statistics"},
    "series_conv, max": {"name": "series_conv", "pooling": "max"},
    "series_resnet": {},
    "series_resnet, statistics": {"name": "series_resnet", "pooling": "statistics"},
    "inception_time, stride 2": {"name": "inception_time", "stride": 2},
    "series_conv, noise and warps": {"name": "series_conv", "augment": NOISE},
    "series_resnet, noise and warps": {"name": "series_resnet", "augment": NOISE},
}
CANDIDATES = [name for name, options in ENCODERS.items() if "augment" not in options]
SETTINGS = {"epochs": 20, "batch_size": 32, "lr": 2e-3}
NOTES = (
    "ours and peer: test accuracy of the encoder and of tcn, means over seeds; ratio: ours / peer; spread: "
    "lowest and highest seed."
)


def work(folders: tuple[Path, Path], job: Mapping[str, Any], *, keep: Path | None = None) -> Outcome:
    """Train one encoder on one set."""
    data = SETS[job["data"]](*folders, job["seed"])
    options = {"name": job["encoder"]} | ENCODERS[job["encoder"]]
    augment, name = options.pop("augment", []), options.pop("name")
    make = partial(create_encoder, name, data.samples["train"][0].shape[1], **options)
    return train(data, make, job["settings"], seed=job["seed"], augment=augment)


def main() -> None:
    """Measure, print, write."""
    options = arguments("series_choices", __doc__ or "", _options)
    settings = SETTINGS | ({"epochs": 1} if options.quick else {})
    sets = ["vowels"] if options.quick else options.sets
    encoders = [PEER, "series_conv"] if options.quick else options.encoders
    done = Trainings(options.work / ("quick" if options.quick else "full"))
    seeds = range(1 if options.quick else options.seeds)
    wanted = [(Case(d, e), settings, s) for s in seeds for d in sets for e in encoders]
    step = partial(work, (options.site, options.data))
    outcomes = run(step, wanted, done, workers=options.workers, describe=lambda job: job["encoder"])
    report("series_choices", rows_of(outcomes, PEER), options.out, packages=("sennit", "torch"), notes=NOTES)
    written = json.loads(options.out.read_text())
    write_json(options.out, written | {"settings": settings, **tables(outcomes, candidates=CANDIDATES)})


def _options(parser: argparse.ArgumentParser) -> None:
    add_options(parser, name="series_choices")
    parser.add_argument("--site", type=Path, required=True, help="folder of the unpacked wheels")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each (default: %(default)s)")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), help="sets (all)")
    parser.add_argument(
        "--encoders", nargs="+", choices=list(ENCODERS), default=list(ENCODERS), help="encoders (all)"
    )


if __name__ == "__main__":
    main()
