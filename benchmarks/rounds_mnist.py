"""Rounds on MNIST with few labels: acquisitions beside chance, tri-training beside the same labels alone.

Active learning starts with 40 labels and asks once for 160 more, out of 4,000 images; tri-training and
self-training have 100 labels and the other images without. Accuracy is that on the 10,000 test images;
``ours`` and ``peer`` are means over seeds, the spread is the middle half of the paired ratios. A seed draws
images, first labels and weights, the same on both sides. Settings were fixed on training images that are in
no pool. Reads ``mnist/`` in the folder that SENNIT_DATA names.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks._harness import Result, arguments, report
from sennit.data import Batch, BatchDataset
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.avdigits.files import read_idx
from sennit.tasks import Classification, Learner, MultiTaskModel
from sennit.tasks.rounds import Pool, Rounds, TriTraining, create_acquisition, majority_vote

IMAGES, FIRST, ADDED, LABELS = 4_000, 40, 160, 100
HELD_OUT = 50_000
"""Training images from here on are in no pool: settings were chosen on them."""
OPTIONS: dict[str, Any] = {"steps": 100, "batch_size": 32, "accelerator": "cpu", "progress": False}
ACQUISITIONS: dict[str, Mapping[str, Any]] = {
    "random": {},
    "entropy": {},
    "margin": {},
    "bald": {"passes": 5},
}
Accuracies = dict[str, list[float]]


def read(folder: Path, kind: str) -> tuple[Tensor, Tensor]:
    """Return images ``[N, 784]`` and digits of MNIST."""
    images, labels = (
        torch.tensor(read_idx(folder / "mnist" / f"{kind}-{what}-ubyte.gz"))
        for what in ("images-idx3", "labels-idx1")
    )
    return (images.flatten(1).float() / 255 - 0.13) / 0.31, labels.long()


def batch_of(images: Tensor, digits: Tensor) -> Batch:
    """Return images as a batch."""
    return Batch.of({"image": images}, targets={"digit": digits}, index=torch.arange(len(images)))


def make_pool(train: tuple[Tensor, Tensor], seed: int, labels: int) -> Pool:
    """Return the images of a seed, the first few of them labelled."""
    rows = torch.randperm(HELD_OUT, generator=torch.Generator().manual_seed(seed))[:IMAGES]
    return Pool(BatchDataset(batch_of(train[0][rows], train[1][rows])), labelled={"digit": range(labels)})


def build(_: int) -> Learner:
    """Return a new learner."""
    encoders = {"image": create_encoder("mlp", 784, width=128, embed_dim=128, dropout=0.3)}
    fusion, tasks = create_fusion("concat", encoders, embed_dim=128), {"digit": Classification(10)}
    return Learner(MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks), lr=2e-3)


def active(train: tuple[Tensor, Tensor], test: Batch, seed: int, rounds: int, folder: Path) -> Accuracies:
    """Return the accuracy after each round, by acquisition."""
    every = {}
    for name, options in ACQUISITIONS.items():
        if every:  # the first training is the same for all
            shutil.copytree(folder / next(iter(every)) / "round-0", folder / name / "round-0")
        result = Rounds(
            build,
            make_pool(train, seed, FIRST),
            create_acquisition(name, ADDED, **options),
            folder=folder / name,
            rounds=rounds,
            seed=seed,
            measure=lambda model: {"accuracy": vote([model], test)},
            **OPTIONS,
        ).run()
        every[name] = [entry["figures"][0]["accuracy"] for entry in result.rounds]
    return every


def taught(train: tuple[Tensor, Tensor], test: Batch, seed: int, rounds: int, folder: Path) -> Accuracies:
    """Return the accuracy of one net and of the vote of three, with and without labels of their own."""
    make: Callable[..., TriTraining] = lambda what, count, **options: TriTraining(  # noqa: E731
        build,
        make_pool(train, seed, LABELS),
        create_acquisition("agreement", **options),
        folder=folder / what,
        rounds=count,
        seed=seed,
        **OPTIONS,
    )
    alone = make("three", 1)
    alone.bootstrap = False
    results = {"three nets, labels alone": alone.run(), "tri-training": make("published", rounds).run()}
    # Their first trainings are the same.
    shutil.copytree(folder / "published" / "round-0", folder / "unbounded" / "round-0")
    shutil.copytree(folder / "three" / "round-0" / "learner-0", folder / "self" / "round-0")
    self_training = Rounds(
        build,
        make_pool(train, seed, LABELS),
        create_acquisition("pseudo_label", 0.95),
        folder=folder / "self",
        rounds=rounds,
        seed=seed,
        **OPTIONS,
    )
    results |= {
        "tri-training, unbounded": make("unbounded", rounds, bounded=False).run(),
        "self-training": self_training.run(),
    }
    scores = {name: [vote([x.model for x in result.learners], test)] for name, result in results.items()}
    scores["one net, labels alone"] = [vote([results["three nets, labels alone"].model], test)]
    return scores


def vote(models: Sequence[MultiTaskModel], test: Batch) -> float:
    """Return the accuracy of a vote."""
    return float((majority_vote(models, "digit", test) == test.targets["digit"]).double().mean())


def row(what: str, ours: Sequence[float], peer: Sequence[float]) -> Result:
    """Return a row of means over seeds and the spread of paired ratios."""
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    means = [round(statistics.mean(values), 4) for values in (ours, peer)]
    spread = (round(quarters[0], 4), round(quarters[2], 4))
    return Result(what, *means, round(statistics.median(ratios), 4), "accuracy", len(ratios), spread)


def described(values: Sequence[float]) -> str:
    """Return mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


def measured(job: tuple[str, int, int]) -> Accuracies:
    """Return the accuracies of one seed, of the one kind or the other."""
    kind, seed, rounds = job
    torch.set_num_threads(1)
    data = Path(os.environ["SENNIT_DATA"])
    train, test = read(data, "train"), batch_of(*read(data, "t10k"))
    with tempfile.TemporaryDirectory() as folder:
        return (active if kind == "active" else taught)(train, test, seed, rounds, Path(folder))


def rows_of(
    curves: Sequence[Accuracies], final: Sequence[Accuracies], rounds: int
) -> tuple[list[Result], str]:
    """Return the rows of the table, and mean ± standard deviation of everything as text."""
    last, notes, rows = f"{FIRST + (rounds - 1) * ADDED} labels", [], []
    for name in curves[0]:
        if name != "random":
            sides = [[curve[which][-1] for curve in curves] for which in (name, "random")]
            rows.append(row(f"{name} vs random, {last}", *sides))
        by_round = [described([curve[name][k] for curve in curves]) for k in range(rounds)]
        notes.append(f"{name}, {FIRST} labels and {ADDED} more a round: {', '.join(by_round)}")
    baselines = ("one net, labels alone", "three nets, labels alone")
    for name in final[0]:
        notes.append(f"{name}, {LABELS} labels: {described([scores[name][0] for scores in final])}")
        for baseline in baselines if name not in baselines else ():
            sides = [[scores[which][0] for scores in final] for which in (name, baseline)]
            rows.append(row(f"{name} vs {baseline}", *sides))
    return rows, "; ".join(notes)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: %(default)s)")


def main() -> None:
    """Measure, print, write."""
    options = arguments("rounds_mnist", __doc__ or "", _options)
    seeds, rounds = 2 if options.quick else options.seeds, 2
    jobs = [
        *(("active", seed, rounds) for seed in range(seeds)),
        *(("taught", seed, rounds) for seed in range(seeds)),
    ]
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("fork")) as workers:
        results = list(workers.map(measured, jobs))
    rows, notes = rows_of(results[:seeds], results[seeds:], rounds)
    report("rounds_mnist", rows, options.out, packages=("sennit", "torch"), notes=notes)


if __name__ == "__main__":
    main()
