"""The moving average of the weights: what is validated is kept, and the initial weights do not linger."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sennit.ramp import early_decay
from sennit.tasks import Learner, MultiTaskModel, evaluate
from sennit.tasks.training.fitted import Fitted

from .small import make_batch, make_model, train


def run(
    folder: Path | None, epochs: int, ema: float = 0.9, **options: object
) -> tuple[MultiTaskModel, Fitted]:
    model = make_model()
    fitted = train(Learner(model, lr=1e-2), make_batch(32), folder, epochs=epochs, ema=ema, **options)
    return model, fitted


def test_what_was_validated_is_what_is_kept_and_a_resumed_run_goes_on_with_it(tmp_path: Path) -> None:
    model, fitted = run(tmp_path / "whole", 4, monitor="val/r/mae")
    kept = evaluate(model, make_batch(16, 1)).metrics["r"]["mae"]
    assert kept == pytest.approx(fitted.best, abs=1e-6)
    run(tmp_path / "halves", 2, monitor="val/r/mae")
    resumed, again = run(tmp_path / "halves", 4, monitor="val/r/mae", resume=True)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), resumed.parameters(), strict=True))
    assert again.best == fitted.best


def test_a_short_run_is_the_mean_of_its_weights_and_not_the_initial_ones() -> None:
    class Noting(Learner):
        def optimizer_step(self, *args: object, **kwargs: object) -> None:
            super().optimizer_step(*args, **kwargs)
            weights.append(self.model.heads["r"][0].weight.detach().clone())

    weights: list[torch.Tensor] = []
    model = make_model()
    train(Noting(model, lr=1e-2), make_batch(32), epochs=2, ema=0.9999)
    assert len(weights) == 8
    torch.testing.assert_close(model.heads["r"][0].weight.detach(), torch.stack(weights).mean(0))


def test_teacher_and_average_begin_alike() -> None:
    assert [early_decay(0.99, n) for n in (1, 3, 1000)] == [0.5, 0.75, 0.99]


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="`ema` should be from 0 to less than 1"):
        run(None, 1, decay)
