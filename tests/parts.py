"""Small parts of which the tests build models: three encoders with stages, their data, a model."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, Task

MODALITIES = ("table", "series", "image")
STEPS = 6


def make_encoders(modalities: Sequence[str] = MODALITIES, *, dropout: float = 0.0) -> dict[str, Encoder]:
    """A vector, a sequence of two stages and an image of three, one for each layout of taps.

    Beside them two images with maps, ``"colour"`` and ``"depth"``.
    """
    make = {
        "table": lambda: create_encoder("mlp", 3, width=8, embed_dim=6, dropout=dropout),
        "series": lambda: create_encoder("tcn", 2, width=8, depth=2, dropout=dropout),
        "image": lambda: create_encoder("conv", 1, widths=(4, 6, 8)),
        "colour": lambda: create_encoder("conv", 3, widths=(8, 8), pyramid="unet", map_width=6),
        "depth": lambda: create_encoder("conv", 1, widths=(4, 8, 8), pyramid="fpn", map_width=4),
    }
    return {m: make[m]() for m in modalities}


def make_inputs(size: int, modalities: Sequence[str] = MODALITIES) -> dict[str, Tensor]:
    shapes = {"table": (3,), "series": (STEPS, 2), "image": (1, 8, 8)}
    shapes |= {"colour": (3, 8, 12), "depth": (1, 8, 12)}
    return {m: torch.randn(size, *shapes[m]) for m in modalities}


def make_masks(size: int, modalities: Sequence[str] = MODALITIES) -> dict[str, Tensor]:
    lengths = torch.randint(1, STEPS + 1, (size, 1))
    return {"series": torch.arange(STEPS) < lengths} if "series" in modalities else {}


def subsets(modalities: Sequence[str]) -> dict[str, Tensor]:
    """One row for each subset of the modalities, the empty one last."""
    rows = torch.tensor(list(itertools.product([True, False], repeat=len(modalities))))
    return dict(zip(modalities, rows.unbind(1), strict=True))


def make_present(size: int, modalities: Sequence[str] = MODALITIES) -> dict[str, Tensor]:
    """Presence in which every subset but the empty one takes its turn."""
    rows = torch.arange(size) % (2 ** len(modalities) - 1)
    return {m: p[rows] for m, p in subsets(modalities).items()}


def make_view(size: int = 8, modalities: Sequence[str] = MODALITIES, *, missing: bool = True) -> View:
    present = make_present(size, modalities) if missing else None
    return View.of(make_inputs(size, modalities), masks=make_masks(size, modalities), present=present)


def every_subset_of(modalities: Sequence[str], *, rows: int = 1) -> View:
    """A view with ``rows`` of each subset, the empty one too (which a `View` refuses to be made with)."""
    present = {m: p.repeat(rows) for m, p in subsets(modalities).items()}
    size = len(present[modalities[0]])
    return make_view(size, modalities, missing=False).replaced(present=present, all_present=False)


def make_batch(
    size: int = 8,
    modalities: Sequence[str] = ("table", "series"),
    *,
    missing: bool = True,
    targets: Mapping[str, Tensor] | None = None,
    labelled: Mapping[str, Tensor] | None = None,
    **more: Any,
) -> Batch:
    return Batch.of(
        make_inputs(size, modalities),
        masks=make_masks(size, modalities),
        present=make_present(size, modalities) if missing else None,
        targets={"y": torch.arange(size) % 3} if targets is None else targets,
        labelled=labelled,
        **more,
    )


def make_model(
    fusion: str = "concat",
    tasks: Mapping[str, Task] | None = None,
    *,
    modalities: Sequence[str] = ("table", "series"),
    dropout: float = 0.0,
    **more: Any,
) -> MultiTaskModel:
    """A small model; without modality dropout unless asked for."""
    encoders = make_encoders(modalities, dropout=dropout)
    options = more.pop("fusion_options", {})
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=8, **options),
        tasks={"y": Classification(3)} if tasks is None else tasks,
        **{"modality_dropout": 0.0, **more},
    )
