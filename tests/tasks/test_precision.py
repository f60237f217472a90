"""Whatever a Trainer offers applies: mixed precision and clipping together too."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_precision_and_clipping_go_together(precision: str, clip: float | None) -> None:
    encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(2)}
    )
    inputs = {"a": torch.randn(8, 3), "b": torch.randn(8, 5)}
    data = BatchDataset(Batch.of(inputs, targets={"y": torch.arange(8) % 2}))
    before = {n: p.clone() for n, p in model.heads.named_parameters()}
    trainer = pl.Trainer(
        max_steps=2,
        accelerator="cpu",
        precision=precision,
        gradient_clip_val=clip,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Learner(model), DataLoader(data, batch_size=4, collate_fn=data.collate))
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert any(not torch.equal(p, before[n]) for n, p in model.heads.named_parameters())
