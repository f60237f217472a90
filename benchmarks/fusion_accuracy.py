"""Accuracy of every fusion on four data sets, complete and with modalities missing.

On htad (windows of the same recordings, and of a new one), mosi and avdigits, each a recipe in a fixed,
reduced configuration: encoders are trained for each modality alone, with a head for each task, and frozen.
With one seed, every fusion is trained on their outputs. Early fusions, which read the encoders' inputs, and
`mmtm`, which acts between their stages, are trained with new encoders instead; the table says so. The best
two of each stage on validation data are then trained jointly, encoders and all, with five seeds, and so
are, whatever their rank: `concat`, `mean_probability`, `additive`, `multiplicative`, `boosted`, `mulmix`,
and each modality alone. Test data choose nothing.

A score is an accuracy, on avdigits the mean of that of the digit and that of the speaker. With modalities
missing at test, each is hidden with probability .3 or .6, by a mask that depends on the seed only, and one
of a sample's always stays, so that fewer are hidden than that (``missing``). A modality alone answers with
the most frequent class of the training data where it is hidden. The best single modality is chosen for each
task on validation data. `cells` has its plain chain of all levels, the others the sizes they have by
default.

HTAD's scores are means over folds: two of the five of the same recordings, and all three of the new one; of
each fold the test score is that of a model of all its training data, the validation score that of models of
parts of these.

``ours`` and ``peer`` are means on test data, and the spread of their ratio its lowest and highest seed. The
rest is in the file: ``table`` has every training, ``statements`` the differences paired by seed.
``--markdown`` prints the tables of a result file.

Each training that ends leaves a small file in the folder of ``--work`` and is not run again.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from statistics import fmean

from benchmarks._fusion_data import DATA
from benchmarks._fusion_page import draw, markdown
from benchmarks._fusion_plan import alone, finalists, screened
from benchmarks._fusion_results import COMPARED, refusals, rows_of, screen_scores, statements, table
from benchmarks._fusion_runs import MISSING, describe, train
from benchmarks._harness import arguments, report
from benchmarks._screen import Trainings, add_options, run
from sennit.files import write_json

SEEDS = 5
NOTES = (
    "ours and peer: mean accuracy on test data; ratio: ours over peer; spread: lowest and highest seed. "
    "table: 'frozen' is on the outputs of encoders trained alone, 'joint' with the encoders; chosen on "
    "validation data. seconds: processor time of training. missing: the share of modalities that is "
    "actually hidden. Optimizers, schedules and epochs are the same for all."
)


def main() -> None:
    """Train, print, write."""

    def extend(parser: argparse.ArgumentParser) -> None:
        add_options(parser, name="fusion_accuracy")
        parser.add_argument(
            "--markdown", action="store_true", help="print the tables of the file of --out; train nothing"
        )

    options = arguments("fusion_accuracy", __doc__ or "", extend)
    if options.markdown:
        print(markdown(json.loads(options.out.read_text())))
        return
    seeds = 2 if options.quick else SEEDS
    settings = {n: {**d.settings, **(d.quick if options.quick else {})} for n, d in DATA.items()}
    folder = options.work / ("quick" if options.quick else "full")
    go = partial(
        run,
        partial(train, options.data, folder / "outputs"),
        done=Trainings(folder),
        workers=options.workers,
        describe=describe,
    )
    modalities = {
        name: data.recipe.modalities(data.config(options.data, settings[name])) for name, data in DATA.items()
    }
    singles = [case for name in DATA for case in alone(name, modalities[name])]
    screen = [case for name in DATA for case in screened(name, quick=options.quick)]
    outcomes = go([(case, settings[case.data], seed) for seed in range(seeds) for case in singles])
    outcomes |= go([(case, settings[case.data], 0) for case in screen])
    chosen = screen_scores(outcomes)
    finals = [case for name in DATA for case in finalists(chosen, name)]
    outcomes |= go([(case, settings[case.data], seed) for seed in range(seeds) for case in finals])
    missing = {
        name: {
            side: round(fmean(outcomes[case, 0]["missing"][side] for case in alone(name, names)), 4)
            for side in MISSING
        }
        for name, names in modalities.items()
    }
    stated = statements(outcomes, finals)
    rows = rows_of(stated, refusals(outcomes))
    report("fusion_accuracy", rows, options.out, packages=("sennit", "torch"), notes=NOTES)
    entries = table(outcomes, screen, finals)
    written = json.loads(options.out.read_text())
    for statement in stated:
        for side in COMPARED:
            del statement[side]["ours"], statement[side]["peer"]  # the table has them
    extra = {"settings": settings, "missing": missing, "statements": stated, "table": entries}
    write_json(options.out, written | extra)
    draw(entries).savefig(options.out.with_suffix(".png"), dpi=130)


if __name__ == "__main__":
    main()
