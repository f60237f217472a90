"""Trainings of one encoder on one small set, for the benchmarks that choose defaults."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from benchmarks._harness import Result
from benchmarks._screen import Outcome, spread
from sennit.data import ResumableLoader, Transforms
from sennit.encoders import Encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel, evaluate, fit

SUBSETS = ("train", "validation", "test")
FIGURES = ("validation", "test", "seconds")


@dataclass(frozen=True)
class Divided:
    """Samples of one modality and their classes, by subset."""

    samples: dict[str, list[Tensor]]
    labels: dict[str, list[int]]
    classes: int

    @classmethod
    def of(cls, parts: Mapping[str, list[tuple[Tensor, int, Any]]]) -> Divided:
        """Make one of samples with their class and group."""
        labels = {s: [y for _, y, _ in part] for s, part in parts.items()}
        classes = 1 + max(max(values) for values in labels.values())
        return cls({s: [x for x, _, _ in part] for s, part in parts.items()}, labels, classes)


@dataclass(frozen=True)
class Case:
    """An encoder on a set."""

    data: str
    encoder: str

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        return asdict(self) | {"seed": seed, "settings": dict(settings)}


def train(
    data: Divided,
    make: Callable[[], Encoder],
    settings: Mapping[str, Any],
    *,
    seed: int,
    augment: list[dict[str, Any]],
) -> Outcome:
    """Train one model; return its accuracies and the processor's seconds of its training."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    encoders = {"x": make()}
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders),
        tasks={"y": Classification(data.classes)},
        transforms={"x": Transforms(augment=augment)} if augment else {},
    )
    samples = {
        s: [
            {"inputs": {"x": x}, "targets": {"y": y}}
            for x, y in zip(data.samples[s], data.labels[s], strict=True)
        ]
        for s in SUBSETS
    }
    model.fit_preprocessing(model.collate(samples["train"]))
    loader = ResumableLoader(
        Prepared(samples["train"], model.preprocessing(training=True)),
        batch_size=settings["batch_size"],
        collate_fn=model.collate,
        seed=seed,
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
        s: evaluate(model.eval(), batches(model, samples[s]), answers=False).metrics["y"]["accuracy"]
        for s in ("validation", "test")
    }
    return scores | {"seconds": seconds, "rows": {s: len(samples[s]) for s in SUBSETS}}


class Prepared:
    """Samples after a model's preprocessing, drawn anew each time."""

    def __init__(self, samples: list[Any], preprocess: Any) -> None:
        self.samples, self.preprocess = samples, preprocess

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Any:
        return self.preprocess(self.samples[row])


def batches(model: MultiTaskModel, samples: list[Any], size: int = 64) -> list[Any]:
    """Return samples as batches in order."""
    return [model.collate(samples[i : i + size]) for i in range(0, len(samples), size)]


def values_of(outcomes: Mapping[tuple[Case, int], Outcome], case: Case, figure: str) -> list[float]:
    """Return a figure of each seed."""
    return [outcome[figure] for (one, _), outcome in outcomes.items() if one == case]


def rows_of(outcomes: Mapping[tuple[Case, int], Outcome], peer: str) -> list[Result]:
    """Return a row for each set and encoder but the peer."""
    rows = []
    for case in dict.fromkeys(case for case, _ in outcomes if case.encoder != peer):
        ours = values_of(outcomes, case, "test")
        theirs = fmean(values_of(outcomes, Case(case.data, peer), "test"))
        rows.append(
            Result(
                f"{case.data}: {case.encoder}",
                round(fmean(ours), 4),
                round(theirs, 4),
                round(fmean(ours) / theirs, 4),
                "accuracy",
                len(ours),
                (round(min(ours), 4), round(max(ours), 4)),
            )
        )
    return rows


def tables(outcomes: Mapping[tuple[Case, int], Outcome], *, candidates: list[str]) -> dict[str, Any]:
    """Return every figure by set and encoder, the means over the sets, and the choice by validation."""
    cases = list(dict.fromkeys(case for case, _ in outcomes))
    table: dict[str, Any] = {}
    for case in cases:
        figures = {f: spread(values_of(outcomes, case, f)) for f in FIGURES}
        table.setdefault(case.data, {})[case.encoder] = figures
    means = {
        encoder: {
            f: round(fmean(v for c in cases if c.encoder == encoder for v in values_of(outcomes, c, f)), 4)
            for f in FIGURES
        }
        for encoder in dict.fromkeys(case.encoder for case in cases)
    }
    chosen = max((e for e in candidates if e in means), key=lambda encoder: means[encoder]["validation"])
    sizes = {case.data: outcome["rows"] for (case, _), outcome in outcomes.items()}
    return {"table": table, "means": means, "chosen": chosen, "rows_by_subset": sizes}
