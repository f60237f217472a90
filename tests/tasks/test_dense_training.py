"""Dense tasks in training: balancing at both levels, exact resume, and a floor on real frames."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import (
    DenseRegression,
    Fitted,
    Learner,
    MultiTaskModel,
    Segmentation,
    SurfaceNormals,
    create_balancing,
    create_weighting,
    evaluate,
    fit,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.losses import task_losses, training_features
from tests.parts import make_inputs, make_model
from tests.tasks.kept import kept_checkpoints
from tests.tasks.test_parameter_level import Given, each_task

SIZE, IMAGES = 10, ("colour", "depth")
DENSE = ("seg", "far", "normal")


def dense_model(**options: object) -> MultiTaskModel:
    tasks = {"seg": Segmentation(3), "far": DenseRegression(loss="berhu"), "normal": SurfaceNormals()}
    return make_model("gated", tasks, modalities=IMAGES, **options)


def dense_batch() -> Batch:
    """Places and whole samples lack labels, samples lack a modality."""
    rows, known = torch.arange(SIZE), torch.rand(SIZE, 8, 12) > 0.3
    known[::4] = False
    return Batch.of(
        make_inputs(SIZE, IMAGES),
        present={"colour": rows % 3 != 0, "depth": rows % 3 != 1},
        targets={
            "seg": torch.randint(0, 3, (SIZE, 8, 12)),
            "far": torch.rand(SIZE, 8, 12) + 0.5,
            "normal": torch.randn(SIZE, 3, 8, 12),
        },
        labelled={
            "seg": known,
            "far": known.roll(1, 0),
            "normal": known.unsqueeze(1).expand(SIZE, 3, 8, 12),
        },
    )


def test_the_gramian_at_the_map_is_that_of_its_gradients() -> None:
    model, batch, rule = dense_model(), dense_batch(), Given()
    rule.level = "features"
    balanced_loss(model, rule, batch)
    features = training_features(model, batch, (True, True, True))
    losses = task_losses(model, [batch], [features], (True, True, True))
    fused = features[""].sources["seg"][""]
    assert fused is features[""].sources["normal"][""]
    g = torch.stack([torch.autograd.grad(x, fused, retain_graph=True)[0].flatten() for x in losses])
    torch.testing.assert_close(rule.gramian, g @ g.T)


def test_the_gramian_of_the_parameters_is_that_of_full_backward_passes() -> None:
    model, batch, rule = dense_model(), dense_batch(), Given()
    balanced_loss(model, rule, batch)
    total = torch.zeros(3, 3, dtype=torch.float64)
    alone = each_task(model, batch)
    for name in (n for n, _ in model.named_parameters() if n.startswith("columns")):
        if all(of[name] is not None for of in alone.values()):
            flat = torch.stack([of[name].flatten() for of in alone.values()]).double()  # type: ignore[union-attr]
            total += flat @ flat.T
    torch.testing.assert_close(rule.gramian.double(), total, rtol=1e-4, atol=1e-6 * float(total.max()))


@pytest.mark.parametrize("level", ["features", "parameters"])
@pytest.mark.parametrize("name", ["mgda", "pcgrad"])
def test_balancing_serves_dense_tasks(name: str, level: str) -> None:
    model, batch = dense_model(weighting=create_weighting("uncertainty")), dense_batch()
    balancing = create_balancing(name, level=level)
    Learner(model, balancing=balancing)  # without a warning of places: all tasks read the same map
    loss, parts = balanced_loss(model, balancing, batch)
    loss.backward()
    assert {f"weight/{task}" for task in DENSE} <= parts.keys()
    assert sum(float(parts[f"weight/{task}"]) > 0 for task in DENSE) >= 2
    grads = [p.grad for n, p in model.named_parameters() if n.startswith(("columns", "heads"))]
    assert all(g is None or bool(g.isfinite().all()) for g in grads)
    assert sum(g is not None for g in grads) > len(grads) // 2


def trained(folder: Path, *, resume: bool = True) -> tuple[Fitted, dict[str, Tensor]]:
    torch.manual_seed(0)
    model = dense_model(weighting=create_weighting("uncertainty"), modality_dropout=0.3)
    data = BatchDataset(dense_batch(), transform=lambda b: b.replaced(inputs=noisy(b.inputs)))
    loader = ResumableLoader(data, batch_size=4, collate_fn=data.collate, seed=1)
    validation = ResumableLoader(data, batch_size=5, collate_fn=data.collate, shuffle=False)
    fitted = fit(
        Learner(model, lr=0.02, balancing=create_balancing("mgda", level="features")),
        loader,
        validation,
        folder=folder,
        epochs=2,
        checkpoint_every=2,
        accelerator="cpu",
        progress=False,
        resume=resume,
        monitor="val/seg/mean_iou",
    )
    return fitted, model.state_dict()


def noisy(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {m: x + 0.1 * torch.randn_like(x) for m, x in inputs.items()}


def test_a_killed_run_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with monkeypatch.context() as patched:
        kept = kept_checkpoints(tmp_path / "whole", patched)
        fitted, state = trained(tmp_path / "whole", resume=False)
    assert len(kept) > 2
    for folder in kept[1::2]:
        again, resumed = trained(folder)
        assert (again.best, again.steps) == (fitted.best, fitted.steps)
        assert [k for k in state if not torch.equal(state[k], resumed[k])] == [], folder
        assert (folder / "metrics.csv").read_text() == (fitted.checkpoint.parent / "metrics.csv").read_text()


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_real_frames_have_the_known_floors_and_training_beats_one() -> None:
    """Classes from colours at 64 × 48, by a short training, against the commonest class at each place."""
    from benchmarks._nyuv2 import batch_of, floors, mirrored, read

    train, test, classes = read(Path(os.environ["SENNIT_DATA"]) / "nyuv2")
    floor = floors(train, test, len(classes))
    assert (len(train.image), len(test.image), len(classes)) == (795, 654, 13)
    assert floor["segmentation"]["pixel_accuracy"] == pytest.approx(0.376, abs=0.001)
    assert floor["segmentation"]["mean_iou"] == pytest.approx(0.067, abs=0.0005)
    assert floor["depth"]["rmse"] == pytest.approx(1.2, abs=0.001)
    assert floor["normals"]["mean_angle"] == pytest.approx(39.1, abs=0.05)
    encoders = {"colour": create_encoder("conv", 3, widths=(8, 16, 32), pyramid="unet", map_width=8)}
    fusion = create_fusion("mean", encoders, embed_dim=8)
    model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"segmentation": Segmentation(classes)})
    data = BatchDataset(batch_of(train, ["segmentation"], with_depth=False), transform=mirrored)
    loader = ResumableLoader(data, batch_size=16, collate_fn=data.collate, drop_last=True)
    learner = Learner(model, lr=5e-3, schedule="one_cycle")
    fit(learner, loader, steps=60, accelerator="cpu", progress=False)
    third = test.select(torch.arange(0, len(test.image), 3))
    rest = BatchDataset(batch_of(third, ["segmentation"], with_depth=False))
    figures = evaluate(model, ResumableLoader(rest, batch_size=100, collate_fn=rest.collate), answers=False)
    assert figures.metrics["segmentation"]["pixel_accuracy"] > floor["segmentation"]["pixel_accuracy"]
