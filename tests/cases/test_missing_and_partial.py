"""Pictures missing in training rows, one label a sample, odd names, triplets without a positive."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sennit.data import ResumableLoader
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel, Regression, Triplet, fit


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[MultiTaskModel, list[dict[str, object]], Path]:
    torch.manual_seed(0)
    encoders = {
        "type": create_encoder("conv", 1, widths=[4]),
        "text.body": create_encoder("bytes", embed_dim=8, depth=1, heads=2),
        "values": create_encoder("mlp", 3, width=8),
    }
    tasks = {"items": Classification(2), "sepal.length": Regression(), "id": Triplet(4)}
    model = MultiTaskModel(
        encoders=encoders, fusion=create_fusion("gated", encoders, embed_dim=8), tasks=tasks
    )
    read, samples = model.preprocessing(), []
    for i in range(24):
        raw: dict[str, object] = {"values": [float(i % 2), None, 1.0]}
        raw |= {"text.body": "a red cup" if i % 2 else "a dog"} if i % 3 else {}
        raw |= {"type": torch.rand(1, 8, 8)} if i % 4 == 0 else {}
        targets = ({"items": i % 2}, {"sepal.length": [i / 24]}, {"id": i})[i % 3]
        samples.append(read({"inputs": raw, "targets": targets, "index": i}))
    folder = tmp_path_factory.mktemp("run")
    loader = ResumableLoader(samples, batch_size=8, collate_fn=model.collate)
    fit(Learner(model), loader, folder=folder / "run", epochs=2, accelerator="cpu", progress=False)
    return model, samples, folder


def test_training_stays_finite(trained: tuple[MultiTaskModel, list, Path]) -> None:
    assert all(bool(p.isfinite().all()) for p in trained[0].parameters())


def test_the_head_of_an_unlabelled_task_gets_no_gradient(trained: tuple[MultiTaskModel, list, Path]) -> None:
    model, samples, _ = trained
    model.zero_grad()
    model.loss(model.collate([s for s in samples if "items" not in s["targets"]]))[0].backward()
    assert not any(p.grad is not None and p.grad.any() for p in model.heads["items"].parameters())
    model.zero_grad()
    model.loss(model.collate([s for s in samples if "items" in s["targets"]]))[0].backward()
    assert any(p.grad is not None and p.grad.any() for p in model.heads["items"].parameters())


def test_names_with_dots_are_saved_and_come_back(trained: tuple[MultiTaskModel, list, Path]) -> None:
    model, _, folder = trained
    model.eval().save_pretrained(folder / "model")
    again = MultiTaskModel.from_pretrained(folder / "model")
    assert again.predict({"text.body": "a dog"}) == model.predict({"text.body": "a dog"})
