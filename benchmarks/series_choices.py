"""Encoders of series on five small sets: which is the table recipe's default, and what an augmentation adds.

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
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks._harness import Result, arguments, report
from benchmarks._screen import Outcome, Trainings, add_options, run, spread
from benchmarks._series_sets import SETS, SUBSETS
from sennit.data import ResumableLoader, Transforms
from sennit.encoders import create_encoder
from sennit.files import write_json
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel, evaluate, fit

PEER = "tcn"
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
}
WARP = [{"name": "jitter"}, {"name": "scaling"}, {"name": "time_warp"}]
for base in ("series_conv", "series_resnet"):
    ENCODERS[f"{base}, noise and warps"] = {"name": base, "augment": WARP}
    ENCODERS[f"{base}, slices"] = {"name": base, "augment": [{"name": "window_slice", "share": 0.8}]}
SETTINGS = {"epochs": 20, "batch_size": 32, "lr": 2e-3}
NOTES = (
    "ours and peer: test accuracy of the encoder and of tcn, means over seeds; ratio: ours / peer; spread: "
    "lowest and highest seed."
)


@dataclass(frozen=True)
class Case:
    """An encoder on a set."""

    data: str
    encoder: str

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        return asdict(self) | {"seed": seed, "settings": dict(settings)}


def train(folders: tuple[Path, Path], job: Mapping[str, Any], *, keep: Path | None = None) -> Outcome:
    """Train one model; return its accuracies and the processor's seconds of its training."""
    torch.set_num_threads(1)
    settings, choice = job["settings"], {"name": job["encoder"]} | ENCODERS[job["encoder"]]
    data = SETS[job["data"]](*folders, job["seed"])
    torch.manual_seed(job["seed"])
    augment = choice.pop("augment", [])
    encoders = {"series": create_encoder(choice.pop("name"), data.series["train"][0].shape[1], **choice)}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders),
        tasks={"y": Classification(data.classes)},
        transforms={"series": Transforms(augment=augment)} if augment else {},
    )
    samples = {
        s: [
            {"inputs": {"series": x}, "targets": {"y": y}}
            for x, y in zip(data.series[s], data.labels[s], strict=True)
        ]
        for s in SUBSETS
    }
    model.fit_preprocessing(model.collate(samples["train"]))
    loader = ResumableLoader(
        _Prepared(samples["train"], model.preprocessing(training=True)),
        batch_size=settings["batch_size"],
        collate_fn=model.collate,
        seed=job["seed"],
    )
    start = time.process_time()
    fit(
        Learner(model, lr=settings["lr"], schedule="one_cycle"),
        loader,
        epochs=settings["epochs"],
        accelerator="cpu",
        progress=False,
    )
    seconds = time.process_time() - start
    scores = {
        s: evaluate(model.eval(), _batches(model, samples[s]), answers=False).metrics["y"]["accuracy"]
        for s in ("validation", "test")
    }
    return scores | {"seconds": seconds, "rows": {s: len(samples[s]) for s in SUBSETS}}


class _Prepared:
    """Samples after a model's preprocessing, drawn anew each time."""

    def __init__(self, samples: list[Any], preprocess: Any) -> None:
        self.samples, self.preprocess = samples, preprocess

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Any:
        return self.preprocess(self.samples[row])


def _batches(model: MultiTaskModel, samples: list[Any], size: int = 64) -> list[Any]:
    return [model.collate(samples[i : i + size]) for i in range(0, len(samples), size)]


def main() -> None:
    """Train, print, write."""
    options = arguments("series_choices", __doc__ or "", _options)
    settings = SETTINGS | ({"epochs": 1} if options.quick else {})
    sets = ["vowels"] if options.quick else options.sets
    encoders = [PEER, "series_conv"] if options.quick else options.encoders
    seeds = 1 if options.quick else options.seeds
    done = Trainings(options.work / ("quick" if options.quick else "full"))
    wanted = [(Case(d, e), settings, s) for s in range(seeds) for d in sets for e in encoders]
    folders = (options.site, options.data)
    outcomes = run(
        partial(train, folders), wanted, done, workers=options.workers, describe=lambda job: job["encoder"]
    )
    rows = rows_of(outcomes)
    report("series_choices", rows, options.out, packages=("sennit", "torch"), notes=NOTES)
    written = json.loads(options.out.read_text())
    write_json(options.out, written | {"settings": settings, **tables(outcomes)})


def _options(parser: argparse.ArgumentParser) -> None:
    add_options(parser, name="series_choices")
    parser.add_argument("--site", type=Path, required=True, help="folder of the unpacked wheels")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each (default: %(default)s)")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), help="sets (all)")
    parser.add_argument(
        "--encoders", nargs="+", choices=list(ENCODERS), default=list(ENCODERS), help="encoders (all)"
    )


def values_of(outcomes: Mapping[tuple[Case, int], Outcome], case: Case, figure: str) -> list[float]:
    """Return a figure of each seed."""
    return [outcome[figure] for (one, _), outcome in outcomes.items() if one == case]


def rows_of(outcomes: Mapping[tuple[Case, int], Outcome]) -> list[Result]:
    """Return a row for each set and encoder."""
    rows = []
    for case in dict.fromkeys(case for case, _ in outcomes):
        ours = values_of(outcomes, case, "test")
        peer = fmean(values_of(outcomes, Case(case.data, PEER), "test"))
        rows.append(
            Result(
                f"{case.data}: {case.encoder}",
                round(fmean(ours), 4),
                round(peer, 4),
                round(fmean(ours) / peer, 4),
                "accuracy",
                len(ours),
                (round(min(ours), 4), round(max(ours), 4)),
            )
        )
    return rows


def tables(outcomes: Mapping[tuple[Case, int], Outcome]) -> dict[str, Any]:
    """Return every figure by set and encoder, the mean over the sets, and the choice by validation."""
    cases = list(dict.fromkeys(case for case, _ in outcomes))
    table: dict[str, Any] = {}
    for case in cases:
        figures = {f: spread(values_of(outcomes, case, f)) for f in ("validation", "test", "seconds")}
        table.setdefault(case.data, {})[case.encoder] = figures
    encoders = dict.fromkeys(case.encoder for case in cases)
    means = {
        encoder: {
            f: round(fmean(v for c in cases if c.encoder == encoder for v in values_of(outcomes, c, f)), 4)
            for f in ("validation", "test", "seconds")
        }
        for encoder in encoders
    }
    sizes = {case.data: outcome["rows"] for (case, _), outcome in outcomes.items()}
    chosen = max(means, key=lambda encoder: means[encoder]["validation"])
    return {"table": table, "means": means, "chosen": chosen, "rows_by_subset": sizes}


if __name__ == "__main__":
    main()
