"""A small training with everything that a resumed run could get wrong."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.fusion import ModalityDropout
from sennit.ramp import Ramp
from sennit.tasks import (
    VAT,
    Classification,
    Consistency,
    Fitted,
    InfoNCE,
    Ladder,
    Learner,
    MaskedTokens,
    MixMatch,
    MultiLabel,
    MultiTaskModel,
    PCGrad,
    Reconstruction,
    Regression,
    create_weighting,
    fit,
)
from tests.parts import make_batch, make_model, make_view

MODALITIES = ("table", "series")
SIZE, BATCH = 22, 4
EPOCHS = 3
VARIANTS: dict[str, dict[str, Any]] = {
    "one loader": {},
    "workers": {"workers": 2},
    "several loaders": {"several": True},
    "several loaders, workers, EMA": {"several": True, "workers": 2, "ema": 0.8},
    "EMA, early stopping": {"ema": 0.8, "patience": 1, "checkpoint_every": 1},
    "FAMO, accumulation": {"weighting": "famo", "accumulate": 2, "schedule": "one_cycle", "clip": 1.0},
    "VAT, MixMatch, a ladder, FAMO, accumulation": {
        "several": True,
        "renders": True,
        "weighting": "famo",
        "accumulate": 2,
    },
    "PCGrad, ramps of modality dropout and of a latent fusion": {
        "weighting": "uncertainty",
        "balancing": True,
        "warmup": 0.3,
        "ramp": True,
    },
}


class Noisy:
    """Augments a batch with random numbers of all three kinds."""

    def __call__(self, batch: Batch) -> Batch:
        scale = 1 + 0.1 * random.random() + 0.1 * float(np.random.rand())
        inputs = {m: scale * x + 0.1 * torch.randn_like(x) for m, x in batch.inputs.items()}
        return batch.replaced(inputs=inputs)


class Samples(Dataset[Batch]):
    """One sample at a time, as most datasets are."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return self.batch.batch_size

    def __getitem__(self, row: int) -> dict[str, Any]:
        one = self.batch.select(torch.tensor([row]))
        inputs = {m: x[0] + 0.1 * torch.randn(x.shape[1:]) for m, x in one.inputs.items() if one.present[m]}
        targets = {t: y[0] for t, y in one.targets.items() if bool(one.labelled[t].all())}
        return {"inputs": inputs, "targets": targets, "index": row}


def make(**options: Any) -> tuple[MultiTaskModel, dict[str, ResumableLoader], ResumableLoader]:
    torch.manual_seed(0)
    tasks = {"y": Classification(3), "z": Regression(2, reads=("table",)), "w": MultiLabel(2)}
    rows = torch.arange(SIZE)
    batch = make_batch(
        SIZE,
        targets={"y": rows % 3, "z": torch.randn(SIZE, 2), "w": (torch.rand(SIZE, 2) > 0.5).float()},
        labelled={"y": rows % 5 > 0, "z": rows % 2 > 0},
    )
    several, workers = options.get("several", False), options.get("workers", 0)
    if several:
        tasks["same"] = Consistency(of="y", teacher="weak", student="strong")
        tasks["masked"] = MaskedTokens("series", rate=0.5)
        tasks["pair"] = InfoNCE(*MODALITIES, learns_temperature=True, dim=4)
    if options.get("renders"):
        tasks["vat"] = VAT(of="y", epsilon=0.5, gradient_scale=Ramp(share=0.5))
        tasks["mix"] = MixMatch(of="y", views=("weak",), loaders=("unlabelled",))
        tasks["ladder"] = Ladder("series", gradient_scale=Ramp(share=0.5))
    weighting = create_weighting(options.get("weighting", "equal"))
    ramp = ModalityDropout({"table": 0.3, "series": 0.6}, schedule="linear", epochs=2)
    hides: float | ModalityDropout = 0.3
    fusion, fusion_options = "gated", {}
    if options.get("ramp"):
        hides = ramp
        fusion, fusion_options = "latent_product", {"beta": Ramp(share=0.5)}
        tasks["rebuilt"] = Reconstruction("table", shape=(3,))
    model = make_model(
        fusion,
        tasks,
        dropout=0.1,
        modality_dropout=hides,
        weighting=weighting,
        fusion_options=fusion_options,
    )
    samples = Samples(batch)
    loaders = {
        "labelled": ResumableLoader(
            samples, batch_size=BATCH, collate_fn=model.collate, seed=1, num_workers=workers
        )
    }
    if several:
        views = {"weak": make_view(10, MODALITIES, missing=False), "strong": make_view(10, MODALITIES)}
        data = BatchDataset(make_batch(10, targets={}).with_views(**views), transform=Noisy())
        loaders["unlabelled"] = ResumableLoader(
            data, batch_size=BATCH, collate_fn=data.collate, seed=2, num_workers=workers
        )
    held_out = BatchDataset(batch, transform=Noisy())
    validation = ResumableLoader(held_out, batch_size=8, collate_fn=held_out.collate, shuffle=False)
    return model, loaders, validation


def run(folder: Path, *, resume: bool = True, **options: Any) -> tuple[Fitted, dict[str, Tensor]]:
    """Train, or go on; gives the final state of the model too."""
    model, loaders, validation = make(**options)
    learner = Learner(
        model,
        lr=0.02,
        schedule=options.get("schedule", "cosine"),
        warmup=options.get("warmup", 0.0),
        balancing=PCGrad() if options.get("balancing") else None,
    )
    known = ("accumulate", "clip", "ema", "patience", "checkpoint_every")
    fitted = fit(
        learner,
        loaders if "unlabelled" in loaders else loaders["labelled"],
        validation,
        folder=folder,
        epochs=EPOCHS,
        accelerator="cpu",
        progress=False,
        resume=resume,
        **{"checkpoint_every": 2, "monitor": "val/y/accuracy" if "patience" in options else None}
        | {k: v for k, v in options.items() if k in known},
    )
    return fitted, model.state_dict()
