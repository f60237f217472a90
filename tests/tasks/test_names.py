"""Names that a ModuleDict refuses work for modalities and tasks, or are refused clearly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion, list_fusions
from sennit.tasks import Classification, CrossStitch, Hard, Learner, MultiTaskModel, Regression
from tests.tasks.training import make_trainer

NAMES = ("type", "keys", "a.b", "forward")


def make(
    fusion: str = "central_net", names: tuple[str, ...] = NAMES, *, stitched: bool = False
) -> MultiTaskModel:
    encoders = {m: create_encoder("mlp", 3, width=8, embed_dim=8) for m in names}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=8),
        tasks={t: Classification(2) if i else Regression() for i, t in enumerate(names)},
        sharing=CrossStitch() if stitched else Hard(),
    )


def make_batch(names: tuple[str, ...] = NAMES) -> Batch:
    targets = {t: (torch.arange(16) % 2) if i else torch.randn(16, 1) for i, t in enumerate(names)}
    return Batch.of({m: torch.randn(16, 3) for m in names}, targets=targets)


@pytest.mark.parametrize("fusion", list_fusions())
def test_awkward_names_work(fusion: str, tmp_path: Path) -> None:
    """⚑"""
    model = make(fusion)
    loss, parts = model.loss(make_batch())
    loss.backward()
    assert set(parts) - {"penalty"} == {*NAMES, "loss"}
    model.save_pretrained(tmp_path)
    again, batch = MultiTaskModel.from_pretrained(tmp_path), make_batch()
    expected = model.eval()(batch)
    assert all(torch.equal(out.logits, expected[t].logits) for t, out in again(batch).items())


def test_awkward_names_work_between_columns() -> None:
    make(stitched=True).loss(make_batch())[0].backward()


def test_awkward_names_work_in_training() -> None:
    data = BatchDataset(make_batch())
    loader = DataLoader(data, batch_size=8, collate_fn=data.collate)
    trainer = make_trainer()
    trainer.fit(Learner(make()), loader, loader)
    assert {"train/a.b", "val/a.b/accuracy", "val/keys/f1_macro", "val/type/mae"} <= set(
        trainer.callback_metrics
    )


@pytest.mark.parametrize("names", [("a.b", "a_b"), ("",)])
def test_names_that_cannot_be_told_apart_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"names should differ by more than dots and not be empty"):
        make("gated", names)
