"""What `fit` promises beside exact resumption: logs, choice of weights, early stopping, freezing, rates."""

from __future__ import annotations

import csv
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.tasks import Classification, Fitted, Learner, Regression, fit
from sennit.tasks.training.checkpoints import read_checkpoint
from tests.parts import make_batch, make_model
from tests.tasks.training import make_trainer

SIZE = 24
TASKS = {"y": Classification(3), "z": Regression(2, reads=("table",))}


def make_data(**options: Any) -> Batch:
    targets = {"y": torch.arange(SIZE) % 3, "z": torch.randn(SIZE, 2)}
    return make_batch(SIZE, targets=targets, **options)


def load(batch: Batch, **options: Any) -> ResumableLoader:
    data = BatchDataset(batch)
    return ResumableLoader(data, **{"batch_size": 8, "collate_fn": data.collate, **options})


def train(learner: Learner, batch: Batch, folder: Path, **options: Any) -> Fitted:
    quiet = {"folder": folder, "epochs": 2, "accelerator": "cpu", "progress": False}
    return fit(learner, load(batch), load(batch, shuffle=False), **{**quiet, **options})


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_losses_and_metrics_are_in_the_csv_and_where_asked_in_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(Learner(make_model(tasks=TASKS)), make_data(), tmp_path / "plain")
    assert not (tmp_path / "plain" / "tensorboard").exists()
    train(Learner(make_model(tasks=TASKS)), make_data(), tmp_path, loggers=["tensorboard"])
    rows = table(tmp_path)
    assert {"train/loss", "train/y", "train/z", "val/y/accuracy", "val/z/r2"} <= set(rows[0])
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"train/loss", "val/y/accuracy"} <= set(events.Tags()["scalars"])


def test_the_logged_loss_is_that_of_the_logged_step(tmp_path: Path) -> None:
    batch, seen = make_data(missing=False), {}

    class Noting(Learner):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            loss = super().training_step(batch, batch_idx)
            seen[self.global_step] = loss.item()
            return loss

    train(Noting(make_model(tasks=TASKS), lr=0.05), batch, tmp_path)
    logged = {int(row["step"]): float(row["train/loss"]) for row in table(tmp_path) if row["train/loss"]}
    assert logged == pytest.approx({step: seen[step] for step in logged})
    assert list(logged) == [2, 5]


def test_the_share_of_time_spent_waiting_for_data_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Slow(BatchDataset):
        def __getitems__(self, rows: Any) -> Batch:
            time.sleep(0.1)
            return super().__getitems__(rows)

    data = Slow(make_data())
    slow = ResumableLoader(data, batch_size=8, collate_fn=data.collate)
    options: dict[str, Any] = {"epochs": 1, "accelerator": "cpu"}
    fitted = fit(Learner(make_model(tasks=TASKS)), slow, folder=tmp_path / "slow", **options)
    assert f"waited for data {fitted.waiting:.1%} of the time" in capsys.readouterr().out
    quick = fit(Learner(make_model(tasks=TASKS)), load(make_data()), folder=tmp_path / "quick", **options)
    assert 0 < quick.waiting < fitted.waiting < 1
    assert slow.waited_s > 0.3


def test_without_progress_a_training_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(Learner(make_model(tasks=TASKS)), make_data(), tmp_path)
    assert capsys.readouterr() == ("", "")


def test_the_weights_are_those_of_the_best_validation(tmp_path: Path) -> None:
    model, batch = make_model(tasks=TASKS), make_data()
    fitted = train(Learner(model, lr=0.3), batch, tmp_path, epochs=6, monitor="val/z/mae", mode="min")
    values = [float(row["val/z/mae"]) for row in table(tmp_path) if row["val/z/mae"]]
    assert fitted.best == pytest.approx(min(values))
    assert values.index(min(values)) < 5, "choose a learning rate at which the last epoch is not the best"
    trainer = make_trainer()
    (found,) = trainer.validate(Learner(model), load(batch, shuffle=False), verbose=False)
    assert found["val/z/mae"] == pytest.approx(fitted.best)


def test_without_a_monitor_the_weights_are_the_last(tmp_path: Path) -> None:
    model = make_model(tasks=TASKS)
    fitted = train(Learner(model), make_data(), tmp_path)
    last = read_checkpoint(fitted.checkpoint)["state_dict"]
    assert all(torch.equal(x, last[f"model.{name}"]) for name, x in model.state_dict().items())
    assert (fitted.best, fitted.best_checkpoint, fitted.steps, fitted.epochs) == (None, None, 6, 2)


def test_the_moving_average_is_of_the_weights_after_each_step(tmp_path: Path) -> None:
    model = make_model(tasks=TASKS)
    weights: list[torch.Tensor] = []

    class Noting(Learner):
        def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
            super().optimizer_step(*args, **kwargs)
            weights.append(next(self.model.parameters()).detach().clone())

    train(Noting(model, lr=0.1), make_data(), tmp_path, ema=0.7)
    average = weights[0]
    for n, weight in enumerate(weights[1:], 1):
        decay = min(0.7, n / (n + 1))  # a plain mean at first
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(next(model.parameters()).detach(), average)


def test_the_moving_average_leaves_whole_numbers_alone(tmp_path: Path) -> None:
    """0.9·7 + 0.1·7 is 6.999…, as a whole number 6: another feature than the one that was chosen."""
    model = make_model("early_mutual_information", TASKS, fusion_options={"features": 10})
    model.fused_encoder.fusion.fitted.fill_(True)
    chosen = model.fused_encoder.fusion.kept.clone()
    train(Learner(model, lr=0.1), make_data(), tmp_path, ema=0.9)
    assert torch.equal(model.fused_encoder.fusion.kept, chosen)


def test_training_a_fusion_that_was_never_fitted_warns(tmp_path: Path) -> None:
    data = make_data()
    model = make_model("early_pca", TASKS)
    with pytest.warns(
        UserWarning, match=r"fusion 'early_pca' should be fitted.*`model.fit_preprocessing\(batch\)`"
    ):
        train(Learner(model), data, tmp_path / "never")
    model = make_model("early_pca", TASKS)
    model.fit_preprocessing(make_batch(20))
    train(Learner(model), data, tmp_path / "fitted")  # a warning would be an error


def test_training_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    learner = Learner(make_model(tasks=TASKS), lr=1e-9)
    fitted = train(learner, make_data(), tmp_path, epochs=9, monitor="val/y/accuracy", patience=2)
    assert fitted.epochs == 3
    again = train(
        Learner(make_model(tasks=TASKS), lr=1e-9),
        make_data(),
        tmp_path,
        epochs=9,
        monitor="val/y/accuracy",
        patience=2,
        resume=True,
    )
    assert again.epochs == 3, "a run that had stopped should not go on"


@pytest.mark.parametrize(
    "options", [{"precision": "bf16-mixed", "clip": 0.5}, {"accumulate": 2, "clip": 0.1}]
)
def test_precision_clipping_and_accumulation_apply(tmp_path: Path, options: dict[str, Any]) -> None:
    model = make_model("multiplicative", TASKS, modality_dropout=0.3)
    fitted = train(Learner(model, lr=0.01), make_data(), tmp_path, **options)
    assert fitted.steps == (4 if "accumulate" in options else 6)
    assert all(bool(p.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"monitor": "val/y/acuracy"}, "Did you mean 'val/y/accuracy'"),
        ({"patience": 3}, "`patience` needs `monitor`"),
        ({"monitor": "val/y/accuracy", "mode": "best"}, "`mode` should be 'max' or 'min'. Found 'best'"),
    ],
)
def test_what_cannot_be_chosen_by_is_refused_before_training(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(Learner(make_model(tasks=TASKS)), make_data(), tmp_path, **options)


@pytest.mark.filterwarnings("ignore:task .y. should learn")
def test_a_monitored_task_without_a_validation_label_is_a_clear_error(tmp_path: Path) -> None:
    nobody = {"y": torch.zeros(SIZE, dtype=torch.bool)}
    with pytest.raises(ValueError, match=r"should have a label for 'val/y/accuracy'.*'val/z/mae'"):
        train(
            Learner(make_model(tasks=TASKS)),
            make_data(labelled=nobody),
            tmp_path,
            monitor="val/y/accuracy",
        )


def test_a_loader_that_cannot_go_on_is_refused(tmp_path: Path) -> None:
    data = BatchDataset(make_data())
    plain: Any = {"a": DataLoader(data, batch_size=8, collate_fn=data.collate)}
    with pytest.raises(TypeError, match=r"Found a DataLoader under 'a', which cannot resume in mid-epoch"):
        fit(Learner(make_model(tasks=TASKS)), plain, folder=tmp_path, epochs=1)


def test_ctrl_c_says_where_a_resumed_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    class Interrupted(Learner):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            if self.global_step == 4:
                os.kill(os.getpid(), signal.SIGINT)
            return super().training_step(batch, batch_idx)

    # What is started in the background by a shell ignores SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt):
        train(Interrupted(make_model(tasks=TASKS)), make_data(), tmp_path)
    assert "Interrupted. resume=True continues from step 3." in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert train(Learner(make_model(tasks=TASKS)), make_data(), tmp_path, resume=True).steps == 6
