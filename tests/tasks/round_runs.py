"""Small rounds of every kind, for tests that kill them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sennit.data import BatchDataset, ResumableLoader
from sennit.tasks import Classification, Consistency, Learner, MultiLabel
from sennit.tasks.rounds import Pool, RoundData, Rounds, RoundsResult, TriTraining, create_acquisition
from tests.parts import make_batch, make_model, make_view

SIZE, FIRST = 48, 12
MODALITIES = ("table",)
ACTIVE = "bald by label, last weights, validation"
VARIANTS: dict[str, dict[str, Any]] = {
    ACTIVE: {
        "acquire": ("bald", {"count": 5, "passes": 2, "ask": "label"}),
        "start": "last",
        "validation": True,
        "monitor": "val/y/accuracy",
    },
    "pseudo-labels, unlabelled loader": {
        "acquire": ("pseudo_label", {"threshold": 0.35, "of": "y"}),
        "unlabelled": True,
        "ema": 0.8,
    },
    "tri-training": {"acquire": ("agreement", {"of": "y", "bounded": False})},
}


def make_data() -> BatchDataset:
    torch.manual_seed(0)
    rows = torch.arange(SIZE)
    targets = {"y": rows % 3, "w": (torch.rand(SIZE, 2) > 0.5).float()}
    known = {"w": torch.ones(SIZE, 2, dtype=torch.bool)}
    batch = make_batch(SIZE, MODALITIES, missing=False, targets=targets, labelled=known, index=rows + 1000)
    batch.inputs["table"][:, 0] += rows % 3
    views = {name: make_view(SIZE, MODALITIES, missing=False) for name in ("weak", "strong")}
    return BatchDataset(batch.with_views(**views))


def build(unlabelled: bool, _: int) -> Learner:
    tasks: dict[str, Any] = {"y": Classification(3), "w": MultiLabel(2)}
    if unlabelled:
        tasks["same"] = Consistency(of="y", teacher="weak", student="strong")
    return Learner(make_model("concat", tasks, modalities=MODALITIES, dropout=0.2), lr=0.02)


def two_loaders(data: RoundData) -> dict[str, ResumableLoader]:
    def load(rows: Any, seed: int) -> ResumableLoader:
        return ResumableLoader(rows, batch_size=8, collate_fn=data.collate, seed=seed)

    return {"labelled": load(data.labelled, data.seed), "unlabelled": load(data.pool, data.seed + 1)}


def measure(model: Any) -> dict[str, float]:
    return {"weights": sum(float(p.detach().double().sum()) for p in model.parameters())}


def make_rounds(folder: Path, variant: str, **more: Any) -> Rounds:
    options = dict(VARIANTS[variant])
    name, arguments = options.pop("acquire")
    unlabelled, validation = options.pop("unlabelled", False), options.pop("validation", False)
    data = make_data()
    ids = range(1000, 1000 + FIRST)
    if validation:
        options["validation"] = ResumableLoader(data, batch_size=16, collate_fn=data.collate, shuffle=False)
    if unlabelled:
        options["loaders"] = two_loaders
    kind = TriTraining if name == "agreement" else Rounds
    return kind(
        lambda number: build(unlabelled, number),
        Pool(data, labelled={"y": ids, "w": ids}),
        create_acquisition(name, **arguments),
        folder=folder,
        **{"rounds": 3, "batch_size": 8, "measure": measure, "seed": 3, "epochs": 1, "checkpoint_every": 1}
        | {"accelerator": "cpu", "progress": False}
        | options
        | more,
    )


def state_of(result: RoundsResult) -> dict[str, torch.Tensor]:
    """The weights of all learners."""
    return {
        f"{i}.{k}": v for i, learner in enumerate(result.learners) for k, v in learner.state_dict().items()
    }
