"""Freezing and learning rates by part of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.tasks import Classification, CrossStitch, Learner, MultiTaskModel, Regression, fit
from sennit.tasks.model.parts import model_parts
from tests.parts import MODALITIES, make_batch, make_model
from tests.tasks.training import make_trainer

SIZE = 24
TASKS = {"y": Classification(3), "z": Regression(2, reads=("table",))}


def load(batch: Batch) -> ResumableLoader:
    data = BatchDataset(batch)
    return ResumableLoader(data, batch_size=8, collate_fn=data.collate)


def image_model(**more: Any) -> MultiTaskModel:
    return make_model("gated", TASKS, modalities=MODALITIES, dropout=0.5, **more)


def image_data() -> Batch:
    return make_batch(SIZE, MODALITIES, targets={"y": torch.arange(SIZE) % 3, "z": torch.randn(SIZE, 2)})


def test_what_is_frozen_stays_as_it_was_bit_for_bit(tmp_path: Path) -> None:
    """Weights, norm statistics, dropout; even after `train()` of the model."""
    model, batch = image_model(), image_data()
    learner = Learner(model, lr=0.1, freeze=("image", "table", "heads.z"))
    before = {k: x.clone() for k, x in model.state_dict().items()}
    model.train()
    fit(learner, load(batch), folder=tmp_path, epochs=2, accelerator="cpu", progress=False)
    after = model.state_dict()
    known = model_parts(model)
    frozen = {
        id(x)
        for p in ("image", "table", "heads.z")
        for m in known[p]
        for x in m.state_dict(keep_vars=True).values()
    }
    for name, x in model.state_dict(keep_vars=True).items():
        if id(x) in frozen:
            assert torch.equal(after[name], before[name]), name
    moved = {k.split(".")[0] for k in after if not torch.equal(after[k], before[k])}
    assert {"columns", "heads"} <= moved
    (encoder,) = known["image"]
    assert not any(m.training for m in encoder.modules())
    groups = learner.configure_optimizers().param_groups
    assert not frozen & {id(p) for group in groups for p in group["params"]}


def test_the_rest_of_a_frozen_model_still_trains_in_training_mode() -> None:
    model = image_model()
    learner = Learner(model, freeze=("image",)).train()
    (image,), (series,) = model_parts(model)["image"], model_parts(model)["series"]
    assert series.training
    assert model.modality_dropout.training
    assert not image.training
    assert learner.training


def test_freezing_the_fusion_leaves_the_encoders_free() -> None:
    model = image_model()
    Learner(model, freeze=("fusion",))
    assert not any(p.requires_grad for p in model.fused_encoder.fusion.parameters())
    assert all(p.requires_grad for m in MODALITIES for p in model_parts(model)[m][0].parameters())


def test_learning_rates_apply_by_part_and_the_more_specific_name_wins() -> None:
    model = image_model()
    scales = {"image": 0.1, "heads": 2.0, "heads.z": 3.0}
    groups = Learner(model, lr=0.5, lr_scale=scales).configure_optimizers().param_groups
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rate) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    known = model_parts(model)
    expected = {"image": 0.05, "heads.y": 1.0, "heads.z": 1.5, "series": 0.5}
    for part, lr in expected.items():
        assert {rate[id(p)] for module in known[part] for p in module.parameters()} == {lr}, part


def test_a_schedule_moves_every_rate_in_proportion(tmp_path: Path) -> None:
    for schedule in ("cosine", "one_cycle"):
        learner = Learner(image_model(), lr=0.5, lr_scale={"image": 0.1}, schedule=schedule)
        trainer = make_trainer(max_steps=2)
        trainer.fit(learner, load(image_data()))
        rates = {group["name"].split(",")[0]: group["lr"] for group in trainer.optimizers[0].param_groups}
        assert rates["image"] == pytest.approx(0.1 * rates["model"])
        assert 0 <= rates["model"] < 0.5


def test_a_cross_stitched_modality_is_all_its_encoders() -> None:
    model = make_model("gated", TASKS, sharing=CrossStitch())
    Learner(model, freeze=("table",))
    assert len(model_parts(model)["table"]) == 2
    assert not any(p.requires_grad for module in model_parts(model)["table"] for p in module.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": ("imge",)}, r"unknown part of the model 'imge'\. Did you mean 'image'"),
        ({"lr_scale": {"head": 0.1}}, r"unknown part of the model 'head'\. Did you mean 'heads'"),
        ({"lr_scale": {"image": 0.0}}, r"`lr_scale` should be more than 0.*`freeze` stops a part"),
        ({"warmup": 1.0}, "`warmup` should be from 0 to less than 1"),
        ({"warmup": 0.1, "schedule": "one_cycle"}, "0 unless the schedule is"),
    ],
)
def test_parts_and_numbers_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Learner(image_model(), **options)


def test_a_wholly_frozen_model_is_refused() -> None:
    learner = Learner(make_model(), freeze=("table", "series", "fusion", "sharing", "heads"))
    with pytest.raises(ValueError, match="something to train"):
        learner.configure_optimizers()
