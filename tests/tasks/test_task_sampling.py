"""A model trained with a random task a step: what moves, and that a run goes on exactly."""

from __future__ import annotations

import copy
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.data import Batch, BatchDataset, TaskSamplingLoader
from sennit.tasks import Classification, Learner, MultiTaskModel, Regression, fit
from tests.parts import make_inputs, make_model
from tests.tasks.ranks import run_ranks

SIZES = {"y": 13, "z": 5}


def datasets() -> dict[str, BatchDataset]:
    """Of every task inputs of its own, with its label alone."""
    targets = {"y": torch.arange(13) % 3, "z": torch.randn(5, 2)}
    return {
        name: BatchDataset(Batch.of(make_inputs(size, ("table", "series")), targets={name: targets[name]}))
        for name, size in SIZES.items()
    }


def train(
    folder: Path, ranks: int = 1, *, learner: type[Learner] = Learner, **options: Any
) -> MultiTaskModel:
    torch.manual_seed(0)
    data = datasets()
    model = make_model(
        "gated", {"y": Classification(3), "z": Regression(2)}, dropout=0.0, modality_dropout=0.0
    )
    loader = TaskSamplingLoader(
        data,
        batch_size=4 // ranks,
        collate_fn=BatchDataset.collate,
        **{"sampling": "uniform", "batches": 5, **options},
    )
    fit(
        learner(model, lr=0.02),
        loader,
        folder=folder,
        epochs=2,
        checkpoint_every=1,
        accelerator="cpu",
        devices=ranks,
        progress=False,
        resume=True,
    )
    return model


class Killed(Learner):
    """Ends in the midst of the second epoch."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.global_step == 7:
            raise RuntimeError("killed")
        return super().training_step(batch, batch_idx)


@pytest.mark.parametrize("options", [{}, {"sampling": "annealed", "epochs": 2}], ids=["uniform", "annealed"])
def test_a_run_that_was_killed_goes_on_exactly(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = train(tmp_path / "whole", **options).state_dict()
    with pytest.raises(RuntimeError, match="killed"):
        train(tmp_path / "killed", learner=Killed, **options)
    found = train(tmp_path / "killed", **options).state_dict()
    assert all(torch.equal(x, found[name]) for name, x in whole.items())


@pytest.mark.filterwarnings("ignore:task .* should learn from some step")
def test_a_task_that_is_never_drawn_keeps_its_head(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = make_model("gated", {"y": Classification(3), "z": Regression(2)})
    before = copy.deepcopy(model.heads)
    loader = TaskSamplingLoader({"z": datasets()["z"]}, batch_size=4, collate_fn=BatchDataset.collate)
    learner = Learner(model, lr=0.02, weight_decay=0.1)
    fit(learner, loader, folder=tmp_path, epochs=1, accelerator="cpu", progress=False)
    for task, head in model.heads.items():
        for x, old in zip(head.parameters(), before[task].parameters(), strict=True):
            assert torch.equal(x, old) == (task == "y")


def test_two_ranks_equal_one_process_and_leave_no_parameter_waiting(tmp_path: Path) -> None:
    run_ranks("tests.tasks.test_task_sampling", str(tmp_path))
    alone = train(tmp_path / "alone").state_dict()
    for rank in range(2):
        found = torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True)
        for name, x in alone.items():
            torch.testing.assert_close(found[name], x, rtol=1e-4, atol=1e-5, msg=name)


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = Path(sys.argv[1])
    state = train(place / "run", 2).state_dict()
    torch.save(state, place / f"rank-{os.environ.get('LOCAL_RANK', 0)}.pt")
