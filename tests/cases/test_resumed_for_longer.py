"""A run that is resumed for longer: its rate never rises again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.ramp import Ramp
from sennit.tasks import Learner, Regression
from sennit.tasks.training.checkpoints import read_checkpoint

from .small import make_batch, make_model, train


class Watched(Learner):
    rates: list[float]

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        super().optimizer_step(*args, **kwargs)


def linear(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=steps)


def run(folder: Path, epochs: int, tasks: Any = None, **options: Any) -> list[float]:
    learner = Watched(make_model(**tasks or {}), **options)
    learner.rates = []
    train(learner, make_batch(16), folder, epochs=epochs, resume=True)
    return learner.rates


@pytest.mark.parametrize("options", [{"schedule": "cosine"}, {"schedule": "one_cycle"}, {"schedule": linear},
                                     {"warmup": 0.5}])  # fmt: skip
def test_a_schedule_over_the_run_is_refused_another_length(tmp_path: Path, options: dict[str, Any]) -> None:
    assert len(run(tmp_path, 2, **options)) == 4
    assert run(tmp_path, 2, **options) == []
    with pytest.raises(
        ValueError, match=r"resume at its length of 4 steps, over which the schedule .* Found 8"
    ):
        run(tmp_path, 4, **options)


def test_a_ramp_over_the_run_is_refused_another_length(tmp_path: Path) -> None:
    tasks = {"c": make_model().tasks["c"], "r": Regression(gradient_scale=Ramp(share=0.5))}
    run(tmp_path, 2, tasks)
    with pytest.raises(ValueError, match=r"over which `gradient_scale` of Regression runs\. Found 8"):
        run(tmp_path, 4, tasks)


def test_a_constant_rate_may_run_for_longer(tmp_path: Path) -> None:
    run(tmp_path, 2)
    assert run(tmp_path, 4) == [1e-3] * 4


def test_lightning_reads_a_checkpoint_into_a_model_that_is_given(tmp_path: Path) -> None:
    run(tmp_path, 1)
    path = tmp_path / "last.ckpt"
    again = Learner.load_from_checkpoint(path, model=make_model(), weights_only=True)
    saved = read_checkpoint(path)["state_dict"]
    assert all(torch.equal(x, saved[name]) for name, x in again.state_dict().items())
