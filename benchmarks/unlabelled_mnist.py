"""MNIST with 100 labels, its upper and lower half as two modalities: accuracies of unlabelled tasks.

Each half has an MLP, modality dropout hides halves in training, and each method has the same steps, batches
and seeds. A seed draws the labels, the initial weights and the order. The settings below were chosen with
``--tune``, on other labels (seeds from 100) and on training images that no run trains on; the test images are
for the table. Every run is stored when it is done: the command resumes.

    nice python -m benchmarks.unlabelled_mnist --data PATH/mnist
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.encoders import create_encoder
from sennit.files import write_json
from sennit.fusion import create_fusion
from sennit.ramp import Ramp
from sennit.recipes.harness import provenance
from sennit.tasks import (
    VAT,
    Classification,
    Consistency,
    EntropyMinimisation,
    InfoNCE,
    Learner,
    MeanTeacher,
    MixMatch,
    MultiTaskModel,
    PseudoLabel,
    Task,
    TemporalEnsembling,
    create_teacher,
    evaluate,
    fit,
)

HALVES = ("upper", "lower")
LABELS, STEPS, BATCH, UNLABELLED = 100, 500, 64, 128
POOL, HELD_OUT = 3_000, 10_000
"""Unlabelled images, and the last training images, which no run trains on: settings are chosen on them."""

RAMP, RISE = Ramp("gaussian", share=0.4), Ramp("linear", share=1.0, end=10.0)
MIXED = ("weak", "again")
METHODS: dict[str, Callable[[], dict[str, Task]]] = {
    "supervised": dict,
    "supervised, moved": dict,
    "vat": lambda: {"same": VAT(of="digit", epsilon=2.0)},
    "vat + entropy": lambda: {
        "same": VAT(of="digit", epsilon=2.0),
        "sure": EntropyMinimisation(of="digit", gradient_scale=RAMP),
    },
    "mean teacher": lambda: {"same": MeanTeacher(of="digit", gradient_scale=RAMP)},
    "fixmatch": lambda: {
        "same": Consistency(of="digit", teacher="weak", student="strong", hard=True, threshold=0.8)
    },
    "mixmatch": lambda: {
        "same": MixMatch(of="digit", views=MIXED, loaders=("unlabelled",), gradient_scale=RISE)
    },
    "temporal ensembling": lambda: {
        "same": TemporalEnsembling(
            of="digit", samples={"labelled": LABELS, "unlabelled": POOL}, gradient_scale=RAMP
        )
    },
    "infonce": lambda: {"pairs": InfoNCE("upper", "lower", temperature=0.2, gradient_scale=0.3)},
    "pseudo-label": lambda: {"same": PseudoLabel(of="digit", threshold=0.9, gradient_scale=RAMP)},
}


def read(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Return the images ``[N, 28, 28]`` from 0 to 1 and the digits ``[N]`` of ``train`` or ``t10k``."""
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        _, count, height, width = struct.unpack(">4I", file.read(16))
        images = np.frombuffer(file.read(), np.uint8).reshape(count, height, width)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        digits = np.frombuffer(file.read()[8:], np.uint8)
    return torch.from_numpy(images / np.float32(255)), torch.from_numpy(digits.astype(np.int64))


def halves(images: Tensor) -> dict[str, Tensor]:
    """Return the two halves of each image, as vectors."""
    return {"upper": images[:, :14].flatten(1), "lower": images[:, 14:].flatten(1)}


def shifted(images: Tensor, most: int) -> Tensor:
    """Return images moved by up to ``most`` pixels each way."""
    _, height, width = images.shape
    down, right = torch.randint(-most, most + 1, (len(images), 2)).T.unsqueeze(2)
    rows, columns = (torch.arange(height) - down) % height, (torch.arange(width) - right) % width
    return images[torch.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None]]


def weak(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Move each half by up to a pixel."""
    return {m: shifted(x.unflatten(1, (14, 28)), 1).flatten(1) for m, x in inputs.items()}


def strong(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Move each half by up to two pixels, cut a square out of it, and add noise."""
    result = {}
    for m, x in inputs.items():
        images = shifted(x.unflatten(1, (14, 28)), 2)
        for image, (top, left) in zip(images, torch.randint(0, 20, (len(images), 2)), strict=True):
            image[int(top) % 9 : int(top) % 9 + 6, int(left) : int(left) + 8] = 0
        result[m] = (images + 0.2 * torch.randn_like(images)).flatten(1)
    return result


def weakly(batch: Batch) -> Batch:
    """Give a batch the weak rendering, which labelled samples need too: else the net tells them by it."""
    return batch.replaced(inputs=weak(dict(batch.inputs)))


def with_views(batch: Batch) -> Batch:
    """Give a batch two weak views and a strong one."""
    inputs = dict(batch.inputs)
    views = {"weak": weak(inputs), "again": weak(inputs), "strong": strong(inputs)}
    return batch.with_views(**{name: Batch.of(x) for name, x in views.items()})


def run(method: str, seed: int, folder: Path, *, tune: bool, steps: int = STEPS) -> dict[str, float]:
    """Train a method with a seed; return its accuracies with both halves and with either alone."""
    torch.manual_seed(seed)
    images, digits = read(folder, "train")
    held = images[-HELD_OUT:], digits[-HELD_OUT:]
    images, digits = images[:-HELD_OUT], digits[:-HELD_OUT]
    test = held if tune else read(folder, "t10k")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    chosen = torch.cat([order[digits[order] == digit][: LABELS // 10] for digit in range(10)])
    images_without = images[order[-POOL:]]
    encoders = {m: create_encoder("mlp", 392, width=128, depth=2, embed_dim=64) for m in HALVES}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=64),
        tasks={"digit": Classification(10), **METHODS[method]()},
        modality_dropout=0.3,
    )
    rendered = method in ("fixmatch", "mixmatch", "supervised, moved")
    labelled = BatchDataset(
        Batch.of(halves(images[chosen]), targets={"digit": digits[chosen]}, index=torch.arange(LABELS)),
        transform=weakly if rendered else None,
    )
    others = BatchDataset(
        Batch.of(halves(images_without), index=torch.arange(POOL)), transform=with_views if rendered else None
    )
    loaders = {
        name: ResumableLoader(data, batch_size=size, collate_fn=data.collate, seed=seed, drop_last=True)
        for name, data, size in (("labelled", labelled, BATCH), ("unlabelled", others, UNLABELLED))
    }
    if method.startswith("supervised"):
        del loaders["unlabelled"]
    teacher = create_teacher("ema", decay=0.99) if method == "mean teacher" else None
    learner = Learner(model, lr=2e-3, schedule="cosine", teacher=teacher)
    fit(learner, loaders, steps=steps, accelerator="cpu", progress=False)
    batch = Batch.of(halves(test[0]), targets={"digit": test[1]})
    scores = {"both": evaluate(model, batch, answers=False).metrics["digit"]["accuracy"]}
    for m in HALVES:
        alone = batch.restrict((m,))
        scores[m] = evaluate(model, alone, answers=False).metrics["digit"]["accuracy"]
    return scores


def main() -> None:
    """Run what is missing, print the table and write it."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlabelled_mnist", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the four idx files")
    parser.add_argument("--tune", action="store_true", help="other labels, held-out training images")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: %(default)s)")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "unlabelled_mnist.json")
    options = parser.parse_args()
    out = options.out.with_suffix(".tune.json") if options.tune else options.out
    runs: dict[str, Any] = json.loads(out.read_text())["runs"] if out.exists() else {}
    for seed in range(options.seeds):
        for method in options.methods:
            key = f"{method}/{seed}"
            if key in runs:
                continue
            runs[key] = run(method, seed + 100 * options.tune, options.data, tune=options.tune)
            Console().print(key, runs[key])
            result = {
                "benchmark": "unlabelled_mnist",
                **provenance(module="benchmarks.unlabelled_mnist"),
                "steps": STEPS,
                "runs": runs,
                "rows": rows_of(runs),
            }
            write_json(out, result)
    table = Table("method", "both", "upper alone", "lower alone", "seeds")
    for method in METHODS:
        scores = scores_of(runs, method)
        if scores:
            figures = {key: [score[key] for score in scores] for key in ("both", *HALVES)}
            cells = (f"{statistics.fmean(v):.3f} ± {statistics.pstdev(v):.3f}" for v in figures.values())
            table.add_row(method, *cells, str(len(scores)))
    Console().print(table)


def scores_of(runs: dict[str, dict[str, float]], method: str) -> list[dict[str, float]]:
    """Return the accuracies of a method, by seed."""
    return [run for key, run in runs.items() if key.rpartition("/")[0] == method]


def rows_of(runs: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Return a row for each method: its accuracy beside that of supervised training with the same seeds."""
    rows = []
    for method in METHODS:
        seeds = [key.rpartition("/")[2] for key in runs if key.rpartition("/")[0] == method]
        pairs = [
            (runs[f"{method}/{s}"]["both"], runs[f"supervised/{s}"]["both"])
            for s in seeds
            if f"supervised/{s}" in runs
        ]
        if pairs:
            ours, peer = (statistics.fmean(side) for side in zip(*pairs, strict=True))
            ratios = [a / b for a, b in pairs]
            rows.append(
                {
                    "what": method,
                    "ours": round(ours, 4),
                    "peer": round(peer, 4),
                    "ratio": round(statistics.fmean(ratios), 4),
                    "unit": "accuracy",
                    "runs": len(pairs),
                    "spread": [round(min(ratios), 4), round(max(ratios), 4)],
                }
            )
    return rows


if __name__ == "__main__":
    main()
