"""Loggers by name: what they are made with, that a resumed run is the same one, what is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import CSVLogger

from sennit.tasks import fit
from sennit.tasks.training import named_loggers
from tests.tasks.test_fit_options import QUIET, make_learner
from tests.tasks.test_training import load, make_data


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options that stand-ins for both services were made with; they write a CSV of their own."""
    calls: list[dict[str, Any]] = []

    class StandIn(CSVLogger):
        def __init__(self, project: str = "", **options: Any) -> None:
            calls.append({"project": project, **options})
            super().__init__(folder, name="", version=f"stand_in{len(calls)}")
            self.run_id = options.get("run_id") or "of the server"

    folder = "."
    monkeypatch.setattr(named_loggers, "require", lambda library, extra: None)
    monkeypatch.setattr(named_loggers, "WandbLogger", StandIn)
    monkeypatch.setattr(named_loggers, "MLFlowLogger", StandIn)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return calls


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_resumed_run_is_the_same_one_and_a_new_one_is_not(
    name: str, made: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "first"
    for epochs in (1, 2):
        fit(
            make_learner(),
            load(make_data()),
            folder=folder,
            epochs=epochs,
            loggers=[name],
            resume=True,
            **QUIET,
        )
    started, resumed = made
    run = (folder / f"{name}_run.txt").read_text()
    if name == "wandb":
        assert started == resumed == {
            "save_dir": folder, "project": "sennit", "name": "first", "id": run, "resume": "allow",
        }  # fmt: skip
    else:
        assert run == "of the server"
        assert started["run_id"] is None
        assert resumed["run_id"] == run
        assert resumed["tracking_uri"] == f"sqlite:///{folder / 'mlflow.db'}"
    assert (tmp_path / "stand_in1" / "metrics.csv").exists()
    (folder / "last.ckpt").unlink()
    fit(make_learner(), load(make_data()), folder=folder, epochs=1, loggers=[name], **QUIET)
    assert made[-1].get("run_id") is None
    assert made[-1].get("id") != run


def test_a_server_that_is_named_is_used(
    made: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracks:5000")
    named_loggers.named_logger("mlflow", tmp_path, None)
    assert made[0]["tracking_uri"] == "http://tracks:5000"


@pytest.mark.parametrize(
    ("name", "extra"), [("tensorboard", "logs"), ("wandb", "wandb"), ("mlflow", "mlflow")]
)
def test_a_missing_library_is_named_with_its_extra(
    name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"'{name}' is needed here. .*pip install 'sennit\[{extra}\]'"):
        fit(make_learner(), load(make_data()), folder=tmp_path, epochs=1, loggers=[name], **QUIET)
