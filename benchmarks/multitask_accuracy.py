"""Accuracy of sharings, weightings and balancings on three data sets, beside single-task networks.

On avdigits (2 tasks), school (139) and tox21 (12), each a recipe in a fixed, reduced configuration: every
sharing with the sum of the losses and with uncertainty weighting, and every weighting and balancing with
hard sharing, is trained with one seed. The three sharings and the three weightings or balancings of the
highest Δm on validation data are then trained with five, and so are, whatever their rank: hard sharing with
the sum, `uncertainty` and `running_deviation`, `cross_stitch`, and a network for each task alone with as many
epochs. Test data choose nothing.

Δm is the mean over tasks of the relative gain over the single-task networks of the same seed: of accuracy,
of ROC-AUC, and on school of each school's squared error. The cost of a step is its time with the first
seed, while two trainings ran in parallel. ``ours`` and ``peer`` are means on test data; the ratio is
1 + Δm / 100 of ours over the peer, above 1 is better, and the spread its lowest and highest seed. The rest
is in the file: ``table`` has every method on every data set, ``statements`` the differences paired by seed.

`adaptive` grows once, after half of the epochs, on avdigits; on the others it stays one trunk. On school the
networks for each task of `cross_stitch` and the like stand behind one encoder; elsewhere they have encoders.

Each training that ends leaves a small file in the folder of ``--work`` and is not run again.
"""

from __future__ import annotations

import json
from functools import partial

from benchmarks._harness import arguments, report
from benchmarks._multitask_plan import finalists, screened
from benchmarks._multitask_results import (
    draw,
    entry,
    gains,
    lines_of,
    refusals,
    rows_of,
    show,
    statements,
)
from benchmarks._multitask_runs import DATA, describe, train
from benchmarks._screen import Trainings, add_options, run
from sennit.files import write_json

SEEDS = 5
NOTES = (
    "ours and peer: means on test data; ratio: 1 + Δm / 100 over the peer; spread: lowest and highest seed. "
    "table: Δm over single-task networks of the same seed; chosen by that on validation data. step_cost: in "
    "parts of hard sharing with the sum of the losses. Optimizers, schedules and epochs are the same for all."
)


def main() -> None:
    """Train, print, write."""
    options = arguments("multitask_accuracy", __doc__ or "", partial(add_options, name="multitask_accuracy"))
    seeds = 2 if options.quick else SEEDS
    settings = {n: {**d.settings, **(d.quick if options.quick else {})} for n, d in DATA.items()}
    work, done = (
        partial(train, options.data),
        Trainings(options.work / ("quick" if options.quick else "full")),
    )
    cases = [case for name in DATA for case in screened(name, quick=options.quick)]
    wanted = [(case, settings[case.data], 0) for case in cases]
    outcomes = run(work, wanted, done, workers=options.workers, describe=describe)
    chosen = gains(outcomes, "validation")
    finals = [case for name in DATA for case in finalists(chosen, name)]
    finals = [case for case in finals if "refused" not in outcomes[case, 0]]
    wanted = [(case, settings[case.data], seed) for seed in range(1, seeds) for case in finals]
    outcomes |= run(work, wanted, done, workers=options.workers, describe=describe)
    lines, stated = lines_of(outcomes, finals), statements(outcomes, range(seeds))
    show(lines)
    rows = rows_of(stated, refusals(outcomes))
    report("multitask_accuracy", rows, options.out, packages=("sennit", "torch", "rdkit"), notes=NOTES)
    written = json.loads(options.out.read_text())
    tables = {"settings": settings, "statements": stated, "table": [entry(line) for line in lines]}
    write_json(options.out, written | tables)
    draw(lines).savefig(options.out.with_suffix(".png"), dpi=130)


if __name__ == "__main__":
    main()
