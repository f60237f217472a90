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


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true", "16-true", "64-true"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_precision_and_clipping_go_together(precision: str, clip: float | None) -> None:
    encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(2)}
    )
    inputs = {"a": torch.randn(8, 3), "b": torch.randn(8, 5)}
    data = BatchDataset(Batch.of(inputs, targets={"y": torch.arange(8) % 2}))
    model.fused_encoder.leaves()["a"].fit(torch.tensor([[300.0, 300.2, 7.0], [300.4, 300.2, 7.0]]))
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
    kind = {"bf16-true": torch.bfloat16, "16-true": torch.float16, "64-true": torch.float64}.get(
        precision, torch.float32
    )
    assert {p.dtype for p in model.parameters()} == {kind}
    assert any(not torch.equal(p, before[n].to(kind)) for n, p in model.heads.named_parameters())
    mean = model.fused_encoder.leaves()["a"].features.standardise.mean
    torch.testing.assert_close(mean.float(), torch.tensor([300.2, 300.2, 7.0]))  # not rounded


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_inputs_of_other_float_types_are_cast(kind: torch.dtype) -> None:
    encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("tcn", 2)}
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(2)}
    ).eval()
    x = {"a": torch.randn(4, 3).half().float(), "b": torch.randn(4, 5, 2).half().float()}
    expected = model(x)["y"].logits
    other = {m: v.to(kind) for m, v in x.items()}
    for given in (other, Batch.of(other)):
        assert torch.equal(model(given)["y"].logits, expected)


def test_category_codes_are_read_exactly_or_refused() -> None:
    """⚑ In bfloat16, code 301 was read as 300 and 303 as 304."""
    encoder = create_encoder("mlp", 1, categories=(1000,)).bfloat16()
    codes = torch.tensor([[301.0], [303.0]])
    assert encoder.features._codes(codes).tolist() == [[301], [303]]
    with pytest.raises(ValueError, match=r"up to 999 should be float32. Found torch.bfloat16.*above 256"):
        encoder(codes.bfloat16())
