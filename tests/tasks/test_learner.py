"""Training with Lightning: optimizer, schedule, metrics, hooks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset
from sennit.tasks import (
    Classification,
    CrossStitch,
    Equal,
    Hard,
    Learner,
    MultiLabel,
    MultiTaskModel,
    Regression,
    create_weighting,
)
from tests.parts import MODALITIES, make_batch, make_model
from tests.tasks.training import make_trainer

SIZE = 32


def tasks() -> dict[str, Any]:
    return {"y": Classification(3), "z": Regression(2, reads=("table",)), "w": MultiLabel(2)}


def make_data(labelled: dict[str, Tensor] | None = None, *, missing: bool = True) -> Batch:
    targets = {
        "y": torch.arange(SIZE) % 3,
        "z": torch.randn(SIZE, 2),
        "w": (torch.rand(SIZE, 2) > 0.5).float(),
    }
    return make_batch(SIZE, targets=targets, labelled=labelled, missing=missing)


def loader(batch: Batch, size: int = 8) -> DataLoader:
    data = BatchDataset(batch)
    return DataLoader(data, batch_size=size, collate_fn=data.collate)


@pytest.mark.parametrize("fusion", ["bottleneck", "central_net", "low_rank"])
@pytest.mark.parametrize("sharing", [Hard, CrossStitch])
def test_only_matrices_and_filters_decay(fusion: str, sharing: type) -> None:
    model = make_model(
        fusion, tasks(), modalities=MODALITIES, sharing=sharing(), weighting=create_weighting("uncertainty")
    )
    groups = Learner(model, weight_decay=0.1).configure_optimizers().param_groups
    decay = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert len(decay) == len(list(model.parameters())) == sum(len(g["params"]) for g in groups)
    decayed = {n for n, p in model.named_parameters() if decay[id(p)]}
    layers = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)
    assert decayed == {
        f"{n}.weight" for n, m in model.named_modules() if isinstance(m, layers) and m.weight.dim() > 1
    }


def test_what_is_frozen_stays_out_of_the_optimizer() -> None:
    model = make_model(tasks=tasks())
    for p in model.fused_encoder.parameters():
        p.requires_grad_(False)
    groups = Learner(model).configure_optimizers().param_groups
    assert sum(len(g["params"]) for g in groups) == sum(p.requires_grad for p in model.parameters())


def test_a_cosine_runs_from_the_peak_to_zero() -> None:
    learner = Learner(make_model(tasks=tasks()), lr=0.1, schedule="cosine")
    trainer = make_trainer(max_epochs=2)
    trainer.fit(learner, loader(make_data()))
    (scheduler,) = (c.scheduler for c in trainer.lr_scheduler_configs)
    assert scheduler.base_lrs[0] == 0.1
    assert scheduler.last_epoch == trainer.global_step == 8
    assert scheduler.get_last_lr()[0] == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match=r"unknown schedule 'linear'"):
        Learner(make_model(), schedule="linear")


def test_the_loss_falls() -> None:
    model, batch = make_model(tasks=tasks(), modality_dropout=0.2), make_data()
    before = model.eval().loss(batch)[0].item()
    make_trainer(max_epochs=30).fit(Learner(model.train(), lr=0.01), loader(batch))
    assert model.eval().loss(batch)[0].item() < 0.7 * before


def test_metrics_are_over_labelled_and_readable_samples() -> None:
    known = torch.arange(SIZE) % 2 == 0
    batch = make_data({"y": known, "w": known[:, None] & torch.tensor([True, False])})
    model = make_model(tasks=tasks())
    trainer = make_trainer()
    (values,) = trainer.validate(Learner(model), loader(batch), verbose=False)
    outputs, there = model.eval()(batch), batch.present["table"]
    right = outputs["y"].logits.argmax(1) == batch.targets["y"]
    assert values["val/y/accuracy"] == pytest.approx(right[known].float().mean().item())
    error = (outputs["z"].logits - batch.targets["z"]).abs()[there]
    assert values["val/z/mae"] == pytest.approx(error.mean().item(), abs=1e-6)
    agree = ((outputs["w"].logits > 0) == (batch.targets["w"] > 0.5))[known, 0]
    assert values["val/w/accuracy"] == pytest.approx(agree.float().mean().item())


def test_a_task_without_a_label_in_the_validation_set_has_no_metric() -> None:
    nobody = torch.zeros(SIZE, dtype=torch.bool)
    batch = make_data({"z": nobody, "w": nobody[:, None].expand(SIZE, 2)})
    (values,) = make_trainer().validate(Learner(make_model(tasks=tasks())), loader(batch), verbose=False)
    assert {k.split("/")[1] for k in values} == {"y", "loss", "mean"}


def test_testing_logs_under_its_own_name() -> None:
    (values,) = make_trainer().test(Learner(make_model(tasks=tasks())), loader(make_data()), verbose=False)
    assert {"test/y/accuracy", "test/z/r2", "test/w/accuracy"} <= set(values)


def test_a_loss_that_is_not_finite_is_a_clear_error() -> None:
    model = make_model(tasks=tasks())
    with torch.no_grad():
        model.heads["z"][0].bias.fill_(float("inf"))
    with pytest.raises(ValueError, match=r"training loss should be finite\. Found inf in 'z' at step 0"):
        make_trainer().fit(Learner(model), loader(make_data()))


def test_every_part_may_act_at_the_start_of_an_epoch() -> None:
    class Counting(Equal):
        def on_epoch_start(self, epoch: int) -> None:
            self.__dict__.setdefault("epochs", []).append(epoch)

    weighting = Counting()
    model = make_model(tasks=tasks(), weighting=weighting)
    make_trainer(max_epochs=3).fit(Learner(model), loader(make_data()))
    assert weighting.__dict__["epochs"] == [0, 1, 2]


@pytest.mark.parametrize("options", [{"precision": "bf16-mixed"}, {"gradient_clip_val": 0.5}])
def test_what_a_trainer_offers_applies(options: dict[str, Any]) -> None:
    model = make_model("multiplicative", tasks(), modality_dropout=0.3)
    make_trainer(**options).fit(Learner(model, lr=0.01), loader(make_data()))
    assert all(bool(p.isfinite().all()) for p in model.parameters())


def test_a_checkpoint_of_the_trainer_gives_the_model_back(tmp_path: Any) -> None:
    model, batch = make_model(tasks=tasks()), make_data(missing=False)
    trainer = make_trainer()
    trainer.fit(Learner(model), loader(batch))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again: MultiTaskModel = make_model(tasks=tasks())
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    Learner(again).load_state_dict(state, strict=True)
    torch.testing.assert_close(again.eval()(batch)["y"].logits, model.eval()(batch)["y"].logits)


def test_lightning_loads_with_the_learner_only() -> None:
    code = (
        "import sys, sennit.tasks; assert 'pytorch_lightning' not in sys.modules; "
        "sennit.tasks.Learner; assert 'pytorch_lightning' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
