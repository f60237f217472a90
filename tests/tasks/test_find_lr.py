"""The learning-rate range test: its rates, where the loss falls, and that nothing else changes."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Learner, MultiTaskModel, Regression, find_lr, fit
from sennit.tasks.training.find_lr import _steepest
from tests.tasks.test_fit_options import QUIET, make_learner
from tests.tasks.test_training import load, make_data

ON_CPU = {"accelerator": "cpu"}


def test_the_rates_rise_geometrically_and_a_diverged_test_ends_early() -> None:
    data = make_data()
    test = find_lr(make_learner(), load(data), low=1e-4, high=1e-2, steps=21, **ON_CPU)
    assert len(test.rates) == len(test.losses) == 21
    assert np.diff(np.log(test.rates)) == pytest.approx([np.log(100) / 20] * 20)
    assert test.suggestion in test.rates
    linear = {"a": create_encoder("mlp", 1, width=4)}
    model = MultiTaskModel(
        encoders=linear, fusion=create_fusion("concat", linear), tasks={"y": Regression(1)}
    )
    x = torch.linspace(-1, 1, 32).unsqueeze(1)
    learner = Learner(model, weight_decay=0.0, optimizer=torch.optim.SGD)
    batch = Batch.of({"a": x}, targets={"y": 5 * x})
    exploded = find_lr(learner, load(batch), low=1e-3, high=1e3, steps=100, **ON_CPU)
    assert len(exploded.losses) < 100
    assert np.isfinite(exploded.losses).all()
    assert exploded.suggestion is not None
    assert exploded.suggestion < exploded.rates[-1]


def test_the_suggestion_is_where_the_loss_falls_fastest_in_the_logarithm() -> None:
    rates = [10.0**i for i in range(-5, 1)]
    assert _steepest(rates, [5, 5, 4.5, 2.5, 2.2, 6]) == 1e-3
    assert _steepest(rates, [1, 2, 3, 4, 5, 6]) is None


def test_the_training_after_it_is_as_without_it(tmp_path: Path) -> None:
    data, trained = make_data(), []
    for tests in (False, True):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        learner, loader = make_learner(), load(data)
        if tests:
            before = {name: x.clone() for name, x in learner.state_dict().items()}
            find_lr(learner, loader, steps=12, clip=1.0, **ON_CPU)
            assert all(torch.equal(x, before[name]) for name, x in learner.state_dict().items())
        fit(learner, loader, epochs=2, folder=tmp_path / str(tests), **QUIET)
        trained.append((learner.state_dict(), torch.rand(3), random.random(), np.random.rand()))
    (weights, *drawn), (expected, *others) = trained
    assert all(torch.equal(x, expected[name]) for name, x in weights.items())
    assert [torch.as_tensor(x).tolist() for x in drawn] == [torch.as_tensor(x).tolist() for x in others]
    assert learner.lr == make_learner().lr


@pytest.mark.parametrize(
    ("options", "message"),
    [({"low": 0.0}, "above 0 and below"), ({"low": 2.0}, "below `high`"), ({"steps": 9}, "10 or more")],
)
def test_what_shows_no_slope_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_lr(make_learner(), load(make_data()), **options)  # type: ignore[arg-type]
