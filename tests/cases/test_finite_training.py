"""A training that stops being finite is refused, whichever step it is, and leaves no checkpoint of NaN."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.tasks import Learner
from sennit.tasks.training.finite import FiniteLosses, refuse_infinite_weights

from .small import make_batch, make_model, train


class Broken(Learner):
    """Its loss is NaN in one step, or its gradient is."""

    at, gradient = 2, False

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.global_step == self.at and not self.gradient:
            with torch.no_grad():
                self.model.heads["r"][0].bias.fill_(math.inf)
        return super().training_step(batch, batch_idx)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.global_step == self.at and self.gradient:
            self.model.heads["r"][0].bias.grad.fill_(math.nan)


@pytest.mark.parametrize("at", [1, 2, 3])  # of four steps: neither the first nor a logged one
@pytest.mark.parametrize("folder", [True, False])
def test_a_loss_that_is_not_finite_is_refused_by_its_step(tmp_path: Path, at: int, folder: bool) -> None:
    learner = Broken(make_model())
    learner.at = at
    with pytest.raises(ValueError, match=rf"Found inf in 'r' at step {at}. Lower the learning rate"):
        train(learner, make_batch(32), tmp_path / "r" if folder else None)
    assert not (tmp_path / "r" / "last.ckpt").exists()


def test_a_last_step_that_destroys_the_weights_is_refused(tmp_path: Path) -> None:
    learner = Broken(make_model())
    learner.at, learner.gradient = 3, True
    with pytest.raises(ValueError, match=r"Found NaN or infinity in 'model.heads.*bias' after step 4"):
        train(learner, make_batch(32), tmp_path)
    assert not (tmp_path / "last.ckpt").exists()


def test_the_fault_of_the_first_step_is_sought_in_the_data() -> None:
    learner = Broken(make_model())
    learner.at = 0
    with pytest.raises(ValueError, match="look for enormous inputs or targets in its batch"):
        train(learner, make_batch(32))


def test_the_first_bad_step_and_its_task_are_named() -> None:
    losses = FiniteLosses()
    for step, values in enumerate([(1.0, 2.0), (math.nan, 3.0), (math.inf, math.nan)]):
        a, b = map(torch.tensor, values)
        losses.add(step, {"a": a, "b": b, "loss": a + b})
    with pytest.raises(ValueError, match="Found nan in 'a' at step 1"):
        losses.check()
    losses.check()


def test_statistics_of_a_norm_count_as_weights() -> None:
    norm = torch.nn.BatchNorm1d(2)
    refuse_infinite_weights(norm, 7)
    norm.running_var[1] = math.inf
    with pytest.raises(ValueError, match="in 'running_var' after step 7"):
        refuse_infinite_weights(norm, 7)
