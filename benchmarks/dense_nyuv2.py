"""Segmentation, depth and normals of NYU Depth v2 under three sharings, beside answers that see no image.

The 795 official training frames and the 654 test frames at 64 × 48, 13 classes. A small convolutional
encoder with a U-Net decoder learns all three tasks from the colours: with hard sharing, with cross-stitch
units between the stages of three networks (α starts at .9, the others share .1, as published; the networks
start as copies, not trained alone), with MTAN's attention on the stages of one; and beside them a network
for each task alone. Where depth is an input it is no task: then colours and depth are fused at every
location, and in training some samples lack one of them. Settings were fixed on hard sharing before the first
of these runs; the test frames choose nothing, and the weights are those of the last step.

``ours`` is the mean over seeds on the test frames, ``peer`` the floor: the commonest class, the mean depth or
the mean normal at each place. The ratio is above 1 where ours is better, and the spread its lowest and
highest seed. ``table`` in the result file has every figure; ``delta_m`` is over the single-task networks of
the same seed, of mean IoU, relative error and mean angle.

Each training that ends leaves a small file in the folder of ``--work`` and is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from functools import partial
from statistics import fmean
from typing import Any

from benchmarks._dense_runs import CASES, QUICK, SETTINGS, SINGLE, Case, describe, train
from benchmarks._harness import Result, arguments, report
from benchmarks._nyuv2 import floors, read
from benchmarks._screen import Outcome, Trainings, add_options, run, spread
from sennit.files import write_json
from sennit.tasks.analysis import delta_m
from sennit.tasks.metrics import AngleFigure, ConfusionFigure, DepthFigure, mean_iou

SHOWN = {
    "segmentation": ("mean_iou", "pixel_accuracy"),
    "depth": ("rmse",),
    "normals": ("mean_angle",),
}
"""Figures of the rows, by task."""
_ERRORS = ("rmse", "absolute_error", "relative_error", "mean_angle", "median_angle")
_GAINED = {
    "segmentation": ("mean_iou", ConfusionFigure(mean_iou, 13)),
    "depth": ("relative_error", DepthFigure("relative_error")),
    "normals": ("mean_angle", AngleFigure("mean_angle")),
}
NOTES = (
    "ours: mean over seeds on test frames; peer: the floor, an answer that ignores the image; ratio: how "
    "many times ours is better. table: mean, standard deviation and each seed. step_ms was taken while other "
    "processes ran."
)


def main() -> None:
    """Train, print, write."""

    def extend(parser: argparse.ArgumentParser) -> None:
        add_options(parser, name="dense_nyuv2")
        parser.add_argument("--seeds", type=int, default=3, help="trainings of each case")

    options = arguments("dense_nyuv2", __doc__ or "", extend)
    os.nice(10)
    seeds = 1 if options.quick else options.seeds
    settings = SETTINGS | QUICK if options.quick else SETTINGS
    done = Trainings(options.work / ("quick" if options.quick else "full"))
    wanted = [(case, settings, seed) for seed in range(seeds) for case in CASES]
    outcomes = run(partial(train, options.data), wanted, done, workers=options.workers, describe=describe)
    frames, test, classes = read(options.data / "nyuv2")
    floor = floors(frames, test, len(classes))
    rows = [row for case in CASES for row in rows_of(case, outcomes, floor, seeds)]
    report("dense_nyuv2", rows, options.out, packages=("sennit", "torch"), notes=NOTES)
    table = [entry(case, outcomes, seeds) for case in CASES]
    written = json.loads(options.out.read_text())
    write_json(options.out, written | {"settings": settings, "floors": floor, "table": table})


Outcomes = Mapping[tuple[Case, int], Outcome]


def rows_of(
    case: Case, outcomes: Outcomes, floor: Mapping[str, Mapping[str, float]], seeds: int
) -> list[Result]:
    """Return a row for each figure that is shown of a case."""
    rows = []
    for task in case.tasks:
        for figure in SHOWN[task]:
            values = [outcomes[case, seed]["figures"][task][figure] for seed in range(seeds)]
            peer = floor[task][figure]
            ratios = [peer / v if figure in _ERRORS else v / peer for v in values]
            low_high = (round(min(ratios), 4), round(max(ratios), 4))
            what = f"{case.label}: {task}"
            ours = round(fmean(values), 4)
            rows.append(Result(what, ours, round(peer, 4), round(fmean(ratios), 4), figure, seeds, low_high))
    return rows


def entry(case: Case, outcomes: Outcomes, seeds: int) -> dict[str, Any]:
    """Return all figures of a case for the result file."""
    of_case = [outcomes[case, seed] for seed in range(seeds)]

    def spreads(part: str) -> dict[str, dict[str, Any]]:
        first = of_case[0][part]
        return {t: {f: spread([o[part][t][f] for o in of_case]) for f in first[t]} for t in first}

    result: dict[str, Any] = {"what": case.label, "figures": spreads("figures")}
    if case.with_depth:
        result["colour alone"] = spreads("colour alone")
    elif case.sharing != SINGLE:
        result["delta_m"] = spread([gain(o, outcomes[Case(SINGLE), s]) for s, o in enumerate(of_case)])
    return result | {"steps": of_case[0]["steps"], "step_ms": spread([o["step_ms"] for o in of_case])}


def gain(ours: Outcome, single: Outcome) -> float:
    """Return Δm over single-task networks, in per cent."""
    scores, baselines = (
        {task: outcome["figures"][task][figure] for task, (figure, _) in _GAINED.items()}
        for outcome in (ours, single)
    )
    return delta_m(scores, baselines, {task: metric for task, (_, metric) in _GAINED.items()})


if __name__ == "__main__":
    main()
