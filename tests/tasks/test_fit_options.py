"""Options of `fit`: callbacks, loggers, optimizers, schedules, limits, several validations."""

from __future__ import annotations

import copy
import functools
import math
import time
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch.optim.lr_scheduler import LinearLR
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset
from sennit.tasks import Fitted, Learner, evaluate, fit
from sennit.tasks.training import make_schedule
from tests.parts import make_batch, make_model
from tests.tasks.test_training import SIZE, TASKS, load, make_data, table, train
from tests.tasks.training import make_trainer

QUIET: dict[str, Any] = {"accelerator": "cpu", "progress": False}


class Counting(pl.Callback):
    """Counts batches, and keeps its count in checkpoints."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.batches, self.kill_at = 0, kill_at

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        self.batches += 1
        if trainer.global_step == self.kill_at:
            raise RuntimeError("killed")

    def state_dict(self) -> dict[str, Any]:
        return {"batches": self.batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.batches = state_dict["batches"]


def make_learner(**options: Any) -> Learner:
    torch.manual_seed(0)
    return Learner(make_model(tasks=TASKS, modality_dropout=0.3), **{"lr": 0.05, **options})


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: x.clone() for name, x in learner.model.state_dict().items()}


def test_a_resumed_run_with_every_option_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Killed in mid-epoch; optimizer, schedule, callback, logger and several validations of the caller's."""
    batch = make_data()

    def run(folder: Path, counting: Counting) -> tuple[Fitted, Learner]:
        learner = make_learner()
        validation = {"one": load(batch, shuffle=False), "two": load(batch.select(torch.arange(9)))}
        fitted = fit(
            learner,
            load(batch),
            validation,
            folder=folder,
            epochs=3,
            max_time=1000,
            optimizer=functools.partial(torch.optim.SGD, momentum=0.9),
            schedule=halving,
            monitor="val/two/z/mae",
            mode="min",
            checkpoint_every=1,
            callbacks=[counting],
            loggers=[CSVLogger(folder / "mine")],
            trainer_options={"deterministic": True},
            resume=True,
            **QUIET,
        )
        return fitted, learner

    whole, counted = Counting(), Counting()
    expected, learner = run(tmp_path / "whole", whole)
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "killed", Counting(kill_at=5))
    found, resumed = run(tmp_path / "killed", counted)
    assert (found.best, found.steps, found.epochs) == (expected.best, expected.steps, expected.epochs)
    assert whole.batches == counted.batches == 9
    after = weights(resumed)
    assert all(torch.equal(x, after[name]) for name, x in weights(learner).items())
    assert table(tmp_path / "whole") == table(tmp_path / "killed")


def halving(optimizer: torch.optim.Optimizer, steps: int) -> LinearLR:
    return LinearLR(optimizer, start_factor=1.0, end_factor=0.5, total_iters=steps)


def test_the_optimizer_is_the_callers_with_the_learners_groups(tmp_path: Path) -> None:
    learner = make_learner(lr_scale={"heads": 2.0}, weight_decay=0.1)
    train(learner, make_data(), tmp_path, optimizer=torch.optim.SGD, schedule=halving)
    optimizer = learner.optimizers().optimizer
    assert type(optimizer) is torch.optim.SGD
    assert {group["initial_lr"] for group in optimizer.param_groups} == {0.05, 0.1}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.1}
    assert sorted({round(g["lr"], 6) for g in optimizer.param_groups}) == [0.025, 0.05]
    with pytest.raises(ValueError, match=r"AdamW'.*optimizer='torch.optim.sgd.SGD'"):
        train(make_learner(lr_scale={"heads": 2.0}, weight_decay=0.1), make_data(), tmp_path, resume=True,
              schedule=halving)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": lambda groups: groups}, TypeError, r"`optimizer` should return an Optimizer"),
        ({"schedule": lambda optimizer, steps: optimizer}, TypeError, r"`schedule` should return a sched"),
        ({"schedule": "cosin"}, ValueError, r"unknown schedule 'cosin'. Did you mean 'cosine'"),
        ({"callbacks": [Counting]}, TypeError, r"`callbacks` should hold.*instances, not classes"),
        ({"loggers": ["wandbb"]}, ValueError, r"unknown logger 'wandbb'. Did you mean 'wandb'"),
        ({"loggers": [3]}, TypeError, r"`loggers` should hold.*Found a int"),
        ({"optimizer": "sgd"}, TypeError, r"`optimizer` should be a function.*Found 'sgd'"),
        ({"schedule": 3}, TypeError, r"`schedule` should be a name, or a function.*Found 3"),
        ({"callbacks": Counting()}, TypeError, r"`callbacks` should be a list. Found <.*Counting"),
        ({"callbacks": None}, TypeError, r"`callbacks` should be a list. Found None"),
        ({"loggers": "tensorboard"}, TypeError, r"`loggers` should be a list. Found 'tensorboard'"),
        ({"compile": "yes"}, TypeError, r"`compile` should be True, False or options.*Found 'yes'"),
        ({"compile": {"moed": "default"}}, ValueError, r"option in `compile` 'moed'. Did you mean 'mode'"),
        ({"trainer_options": [3]}, TypeError, r"`trainer_options` should be a mapping.*Found \[3\]"),
        ({"trainer_options": {"num_nodes": "two"}}, TypeError, r"`num_nodes` should be a whole number"),
        ({"max_time": math.nan}, ValueError, r"`max_time` should be more than 0. Found nan"),
        ({"max_time": "00:01"}, TypeError, r"`max_time` should be a number of seconds. Found '00:01'"),
        ({"epochs": 1.5}, TypeError, r"`epochs` should be a whole number. Found 1.5"),
        ({"epochs": 0}, ValueError, r"`epochs` should be more than 0. Found 0"),
        ({"accumulate": 0}, ValueError, r"`accumulate` should be more than 0. Found 0"),
        ({"devices": 0}, ValueError, r"`devices` should be more than 0. Found 0"),
        ({"checkpoint_every": 0}, ValueError, r"`checkpoint_every` should be more than 0. Found 0"),
        (
            {"trainer_options": {"max_epochs": 3}},
            ValueError,
            r"'max_epochs', which `fit` sets.*`epochs`",
        ),
        ({"trainer_options": {"logger": False}}, ValueError, r"'logger', which `fit` sets. Use.*`loggers`"),
        ({"trainer_options": {"plugins": []}}, ValueError, r"'plugins'"),
        ({"trainer_options": {"max_epoch": 3}}, ValueError, r"option of a Trainer 'max_epoch'"),
        ({"max_time": 0}, ValueError, r"`max_time` should be more than 0. Found 0"),
        ({"steps": 3}, ValueError, r"`epochs` or `steps`, and not both. Found epochs=2 and steps=3"),
        ({"epochs": None}, ValueError, r"`epochs` or `steps`, and not both. Found epochs=None"),
        ({"epochs": None, "steps": 2, "monitor": "val/y/accuracy"}, ValueError, r"Pass `epochs`"),
        ({"folder": None, "resume": True}, ValueError, r"`resume` needs a `folder`"),
        ({"folder": None, "monitor": "val/y/accuracy"}, ValueError, r"`monitor` needs a `folder`"),
        ({"folder": None, "checkpoint_every": 2}, ValueError, r"`checkpoint_every` needs a `folder`"),
        ({"folder": None, "loggers": ["tensorboard"]}, ValueError, r"'tensorboard' needs a `folder`"),
    ],
)
def test_bad_options_are_refused_by_name(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(make_learner(), make_data(), **{"folder": tmp_path, **options})


def test_without_a_folder_nothing_is_written_and_any_loader_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the Trainer of the same options: the same weights after a fixed number of steps."""
    monkeypatch.chdir(tmp_path)
    data = BatchDataset(make_data())

    def loader() -> DataLoader[Batch]:
        generator = torch.Generator().manual_seed(1)
        return DataLoader(data, batch_size=8, shuffle=True, collate_fn=data.collate, generator=generator)

    learner, other = make_learner(schedule="one_cycle"), make_learner(schedule="one_cycle")
    torch.manual_seed(2)
    fitted = fit(learner, loader(), steps=7, **QUIET)
    assert (fitted.steps, fitted.epochs, fitted.checkpoint, fitted.best) == (7, 3, None, None)
    assert math.isnan(fitted.waiting), "a DataLoader does not count the seconds"
    torch.manual_seed(2)
    make_trainer(max_steps=7, max_epochs=-1).fit(other, loader())
    assert all(torch.equal(x, weights(other)[name]) for name, x in weights(learner).items())
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_several_validations_have_metrics_by_name_and_one_chooses(tmp_path: Path) -> None:
    batch, learner = make_data(), make_learner()
    few = batch.select(torch.arange(6))
    validation = {"all": load(batch, shuffle=False), "few": load(few, shuffle=False)}
    fitted = fit(learner, load(batch), validation, folder=tmp_path, epochs=4, monitor="val/few/z/mae",
                 mode="min", **QUIET)  # fmt: skip
    rows = [row for row in table(tmp_path) if row["val/few/z/mae"]]
    assert len(rows) == 4
    assert all(row["val/all/y/accuracy"] for row in rows)
    assert fitted.best == pytest.approx(min(float(row["val/few/z/mae"]) for row in rows))
    assert fitted.best == pytest.approx(evaluate(learner.model, few).metrics["z"]["mae"], abs=1e-6)
    with pytest.raises(ValueError, match=r"Did you mean 'val/few/y/accuracy'"):
        fit(learner, load(batch), validation, folder=tmp_path / "no", epochs=1, monitor="val/feu/y/accuracy",
            **QUIET)  # fmt: skip
    with pytest.raises(ValueError, match="names in `validation` should be words without '/'"):
        fit(learner, load(batch), {"a/b": load(batch)}, folder=tmp_path / "no", epochs=1, **QUIET)


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        ({}, ValueError, r"`validation` should hold at least one loader. Found none"),
        ({1: None}, ValueError, r"names in `validation` should be words.*Found \[1\]"),
        (3, TypeError, r"`validation` should be a loader, or several by name. Found a int"),
        ({"a": 3}, TypeError, r"`validation` should be a loader, or several by name. Found a int"),
        ([make_batch(4)], TypeError, r"`validation` should be a loader.*Found a list. Give a DataLoader"),
    ],
)
def test_validation_that_is_no_loader_is_refused(
    tmp_path: Path, validation: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(make_learner(), load(make_data()), validation, folder=tmp_path, epochs=1, **QUIET)


@pytest.mark.parametrize("after", [4, 6])
def test_a_run_that_its_time_stopped_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """In mid-epoch and at the end of one; with the same limit a run stays as it is."""
    batch = make_data()

    class Slow(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
            if trainer.global_step == after:
                clock[0] += 100

    def run(folder: Path, **options: Any) -> tuple[Fitted, Learner]:
        learner = make_learner(schedule="cosine")
        fitted = train(learner, batch, folder, epochs=3, monitor="val/z/mae", mode="min", patience=3,
                       callbacks=[Slow()], resume=True, **options)  # fmt: skip
        return fitted, learner

    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    expected, learner = run(tmp_path / "whole")
    stopped, _ = run(tmp_path / "stopped", max_time=50)
    assert stopped.steps == after
    assert run(tmp_path / "stopped", max_time=50)[0].steps == after
    found, resumed = run(tmp_path / "stopped", max_time=500)
    assert (found.steps, found.best) == (expected.steps, expected.best) == (9, found.best)
    after_all = weights(resumed)
    assert all(torch.equal(x, after_all[name]) for name, x in weights(learner).items())
    assert table(tmp_path / "whole") == table(tmp_path / "stopped")


def test_a_monitor_that_is_never_a_number_keeps_the_last_weights(tmp_path: Path) -> None:
    one = {"z": torch.arange(SIZE) == 0}
    with (
        pytest.warns(UserWarning, match="Found none, so the last weights are kept"),
        pytest.warns(UserWarning, match="a number for each metric. Found none for val/z/r2: an R² needs two"),
    ):
        fitted = train(make_learner(), make_data(labelled=one), tmp_path, monitor="val/z/r2")
    assert (fitted.best, fitted.best_checkpoint) == (None, None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiling_trains_the_same_and_leaves_a_plain_model(tmp_path: Path) -> None:
    torch._dynamo.reset()
    calls = []

    def backend(graph: Any, inputs: Any) -> Any:
        calls.append(graph)
        return graph.forward

    plain, compiled = make_learner(), make_learner()
    for learner, options in ((plain, {}), (compiled, {"compile": {"backend": backend}})):
        torch.manual_seed(1)
        train(learner, make_data(missing=False), tmp_path / str(len(options)), epochs=1, **options)
    assert calls
    after = weights(compiled)
    for name, x in weights(plain).items():
        torch.testing.assert_close(x, after[name])
    assert "encode" not in vars(compiled.model.fused_encoder)
    copy.deepcopy(compiled.model)(make_batch(4))


def old_factor(name: str, step: int, *, steps: int, warmup: float) -> float:
    """The formula, written out: a linear rise, then constant or a cosine to zero."""
    rise = math.ceil(warmup * steps)
    if step < rise:
        return (step + 1) / rise
    if name == "constant":
        return 1.0
    return (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1))) / 2


@pytest.mark.parametrize("name", ["constant", "cosine"])
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (1, 0.9), (7, 0.1), (40, 0), (40, 0.3), (1000, 0.05)])
def test_the_stock_schedulers_follow_the_formula(name: str, steps: int, warmup: float) -> None:
    peaks = (0.3, 0.01)
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": peak} for peak in peaks]
    optimizer = torch.optim.SGD(groups)
    schedule = make_schedule(optimizer, name, steps=steps, warmup=warmup)
    for step in range(steps + 1):
        rates = [peak * old_factor(name, step, steps=steps, warmup=warmup) for peak in peaks]
        assert schedule.get_last_lr() == pytest.approx(rates, rel=1e-9, abs=1e-12), step
        optimizer.step()
        schedule.step()


def test_the_schedule_of_a_run_resumes_where_it_was(tmp_path: Path) -> None:
    schedule = functools.partial(make_schedule, schedule="cosine", steps=9, warmup=0.4)
    first, second = (torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0) for _ in range(2))
    one, two = schedule(first), schedule(second)
    for _ in range(5):
        first.step()
        one.step()
    torch.save([one.state_dict(), first.state_dict()], tmp_path / "state.pt")
    state, optimizer = torch.load(tmp_path / "state.pt", weights_only=True)
    two.load_state_dict(state)
    second.load_state_dict(optimizer)
    for _ in range(4):
        assert one.get_last_lr() == two.get_last_lr()
        for own, schedule_ in ((first, one), (second, two)):
            own.step()
            schedule_.step()
