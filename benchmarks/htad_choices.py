"""Effects of single choices on HTAD, judged on splits inside the training folds only; no test fold is scored.

Each row takes one thing away from the recipe (or changes it) and shows the accuracy of the default fusion on
the inner splits: for a new recording, leave-one-recording-out over the training recordings; for the same
recordings, a stratified fifth of the training fold. ``ours`` is the recipe as it is, ``peer`` the recipe with
the change, ``spread`` its lowest and highest seed.
"""

from __future__ import annotations

import dataclasses
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import torch

from benchmarks._harness import Result, arguments, report
from sennit.recipes.htad.config import DEFAULT_FUSION, Config
from sennit.recipes.htad.data import PROTOCOLS, folds, inner_splits, load
from sennit.recipes.htad.train import train_model
from sennit.tasks import evaluate

STRENGTH = {"same": 0.0, "new": 1.5}
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no frame shuffle": {"without": ("shuffle",)},
    "no cepstral offset": {"without": ("offset",)},
    "no feature dropout": {"without": ("dropout",)},
    "no offset, no feature dropout": {"without": ("offset", "dropout")},
    "no modality dropout": {"config": {"modality_dropout": 0.0}},
    "concat instead": {"row": "concat"},
}


def score(job: tuple[str, str, int]) -> float:
    """Mean inner accuracy of a change, under a protocol, for a seed."""
    torch.set_num_threads(1)
    name, protocol, seed = job
    change, data = CHANGES[name], load()
    config = dataclasses.replace(Config(), **change.get("config", {}))
    row, accuracies = change.get("row", DEFAULT_FUSION), []
    for fold, (train, _) in enumerate(folds(data, protocol, seed)):
        job = {"row": row, "weighting": None, "protocol": protocol, "seed": seed, "fold": fold}
        for trial, (inner, check) in enumerate(inner_splits(data, protocol, train, seed)):
            steps = config.epochs * (len(inner) // config.batch_size)
            strength, without = STRENGTH[protocol], change.get("without", ())
            names = list(data.batch.inputs)
            model = train_model(
                config, job, data, inner, names, strength, steps, trial=trial, without=without
            )
            batch = data.batch.select(torch.as_tensor(check))
            accuracies.append(evaluate(model, batch, answers=False).metrics["activity"]["accuracy"])
    return statistics.fmean(accuracies)


def _matters(name: str, protocol: str) -> bool:
    """Without noise there is nothing of it to leave out."""
    noise = {"offset", "dropout"} & set(CHANGES[name].get("without", ()))
    return STRENGTH[protocol] > 0 or not noise


def main() -> None:
    """Measure, print, write."""
    options = arguments("htad_choices", __doc__ or "")
    seeds = 1 if options.quick else 3
    names = list(CHANGES)[:2] if options.quick else list(CHANGES)
    pairs = [(name, protocol) for protocol in PROTOCOLS for name in names if _matters(name, protocol)]
    jobs = [(name, protocol, seed) for name, protocol in pairs for seed in range(seeds)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        scores = dict(zip(jobs, pool.map(score, jobs), strict=True))
    rows = []
    for protocol, text in PROTOCOLS.items():
        ours = [scores["as it is", protocol, s] for s in range(seeds)]
        for name in [name for name, tested in pairs if tested == protocol]:
            changed = [scores[name, protocol, s] for s in range(seeds)]
            ratios = [a / b for a, b in zip(ours, changed, strict=True)]
            mean_ours, mean_changed = statistics.fmean(ours), statistics.fmean(changed)
            rows.append(
                Result(
                    f"{text}: {name}",
                    round(mean_ours, 4),
                    round(mean_changed, 4),
                    round(statistics.fmean(ratios), 4),
                    "accuracy",
                    seeds,
                    (round(min(changed), 4), round(max(changed), 4)),
                )
            )
    report("htad_choices", rows, options.out, packages=("sennit", "torch", "scikit-learn"))


if __name__ == "__main__":
    main()
