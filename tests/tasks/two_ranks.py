"""Trains through `fit` on two ranks: ``python -m tests.tasks.two_ranks FOLDER``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from sennit.data import BatchDataset, ResumableLoader
from sennit.tasks import (
    VAT,
    Classification,
    Consistency,
    InfoNCE,
    Ladder,
    Learner,
    MaskedTokens,
    MixMatch,
    MultiLabel,
    Regression,
    Task,
    create_weighting,
    fit,
)
from tests.parts import make_batch, make_model, make_view
from tests.tasks.kept import keep_third_checkpoint
from tests.tasks.ranks import fork_ranks

SIZE, JOINED, RANKS = 27, 8, 2
MODALITIES = ("table", "series")


def train(folder: Path, ranks: int, *, dropout: float = 0.0) -> dict[str, Any]:
    """Partial labels (z in few batches), missing modalities, pairs among ranks, a last smaller batch.

    With dropout further tasks without labels, which draw random numbers.
    """
    torch.manual_seed(0)
    rows = torch.arange(SIZE)
    tasks: dict[str, Task] = {
        "y": Classification(3),
        "z": Regression(2, reads=("table",)),
        "w": MultiLabel(3),
        "same": Consistency(of="y", teacher="weak", student="strong"),
        "pair": InfoNCE(*MODALITIES, learns_temperature=True, dim=4),
    }
    if dropout:  # these draw random numbers, of which one process would draw others
        tasks |= {
            "vat": VAT(of="y", epsilon=0.5),
            "mix": MixMatch(of="y", views=("weak",), loaders=("unlabelled",)),
            "masked": MaskedTokens("series", rate=0.5),
            "ladder": Ladder("series"),
        }
    batch = make_batch(
        SIZE,
        targets={"y": rows % 3, "z": torch.randn(SIZE, 2), "w": (torch.rand(SIZE, 3) > 0.5).float()},
        labelled={"y": rows % 5 < 3, "z": rows % 9 == 0, "w": torch.rand(SIZE, 3) > 0.5},
    )
    views = {"weak": make_view(12, MODALITIES, missing=False), "strong": make_view(12, MODALITIES)}
    weighting = create_weighting("uncertainty")
    model = make_model("gated", tasks, dropout=dropout, modality_dropout=dropout, weighting=weighting)
    sets = {"labelled": batch, "unlabelled": make_batch(12, targets={}).with_views(**views)}
    each = JOINED // ranks

    def load(name: str, **options: Any) -> ResumableLoader:
        data = BatchDataset(sets[name])
        return ResumableLoader(data, batch_size=each, collate_fn=data.collate, **options)

    fitted = fit(
        Learner(model, lr=0.02, schedule="cosine"),
        {name: load(name) for name in sets},
        load("labelled", shuffle=False),
        folder=folder,
        epochs=2,
        monitor="val/y/accuracy",
        checkpoint_every=1,
        accelerator="cpu",
        devices=ranks,
        progress=False,
        resume=True,
    )
    metrics = (folder / "metrics.csv").read_text()
    return {"state": model.state_dict(), "best": fitted.best, "steps": fitted.steps, "metrics": metrics}


def accumulate(ranks: int, batches: int) -> dict[str, torch.Tensor]:
    """Steps of eight samples in so many batches; labels are few, and none in some batches and in a step."""
    torch.manual_seed(0)
    rows = torch.arange(32)
    batch = make_batch(
        32,
        missing=False,
        targets={"y": rows % 3, "z": torch.randn(32, 2)},
        labelled={"y": (rows < 5) | (rows == 12), "z": (rows < 9)[:, None] & torch.tensor([True, False])},
    )
    model = make_model("gated", {"y": Classification(3), "z": Regression(2)})
    data = BatchDataset(batch)
    size = 8 // batches // ranks
    loader = ResumableLoader(data, batch_size=size, collate_fn=data.collate, shuffle=False)
    options: dict[str, Any] = {"accelerator": "cpu", "devices": ranks, "progress": False}
    fit(Learner(model, lr=0.02), loader, epochs=2, accumulate=batches, **options)
    return model.state_dict()


def work(rank: int, folder: Path) -> None:
    os.environ["LOCAL_RANK"] = str(rank)
    torch.set_num_threads(1)
    results = {"plain": train(folder / "plain", RANKS)}
    keep_third_checkpoint(folder / "whole", folder / "kept")
    results["whole"] = train(folder / "whole", RANKS, dropout=0.3)
    results["resumed"] = train(folder / "kept", RANKS, dropout=0.3)
    results["accumulated"] = {"state": accumulate(RANKS, 2)}
    torch.save(results, folder / f"rank-{rank}.pt")


if __name__ == "__main__":
    fork_ranks(work, RANKS)
