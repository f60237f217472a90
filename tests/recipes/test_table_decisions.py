"""Temperatures and thresholds: what validation rows decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sennit.recipes.table.budget import Budget, seconds_of
from sennit.recipes.table.training.decision import Decision
from sennit.recipes.table.training.decisions import Decisions
from sennit.recipes.table.training.temperature import fit_temperature, tempered
from sennit.recipes.table.training.threshold import choose_threshold


def test_tempered_probabilities_are_those_of_divided_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 3)) * 4
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(1, keepdims=True)
    np.testing.assert_allclose(tempered(p, 2.5), expected, rtol=1e-9)
    labels = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(tempered(labels, 2.5, labels=True), 1 / (1 + np.exp(-logits / 2.5)), rtol=1e-9)


def test_the_temperature_of_a_model_three_times_too_sure_is_three() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    honest = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    true = (honest.cumsum(1) > rng.random((4000, 1))).argmax(1)
    temperature, _ = fit_temperature(tempered(honest, 1 / 3), true)
    assert temperature == pytest.approx(3, rel=0.08)


def test_rows_that_are_all_right_do_not_make_a_model_sure_of_everything() -> None:
    p = np.array([[0.6, 0.4], [0.4, 0.6]] * 20)
    temperature, _ = fit_temperature(p, p.argmax(1))
    assert tempered(p, temperature).max() < 0.995
    assert fit_temperature(p[:10], p[:10].argmax(1))[0] == 1.0


@pytest.mark.parametrize(
    ("metric", "low", "high"), [("accuracy", 0.5, 0.5), ("f1_macro", 0.1, 0.35), ("auroc", 0.02, 0.3)]
)
def test_the_threshold_of_a_rare_class_follows_the_metric(metric: str, low: float, high: float) -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 6, size=3000)  # calibrated: the best accuracy is at .5
    true = rng.random(3000) < p
    threshold, why = choose_threshold(p, true, metric)
    assert low <= threshold <= high, why


def test_the_threshold_of_calibrated_probabilities_seldom_moves() -> None:
    rng = np.random.default_rng(0)
    moved = 0
    for _ in range(40):
        p = rng.random(100)
        moved += choose_threshold(p, rng.random(100) < p, "accuracy")[0] != 0.5
    assert moved <= 8
    assert choose_threshold(rng.random(10), rng.random(10) < 0.5, "accuracy")[0] == 0.5


def test_decisions_are_written_read_and_refused_when_damaged(tmp_path: Path) -> None:
    decisions = Decisions({"kind": Decision(1.7, (0.3,), "by 40 rows")})
    decisions.write(tmp_path / "decisions.json")
    assert Decisions.read(tmp_path / "decisions.json") == decisions
    assert Decisions.read(tmp_path / "none.json") == Decisions()
    (tmp_path / "decisions.json").write_text('{"kind": {"temperature": "warm"}}')
    with pytest.raises(ValueError, match=r"should hold a temperature and thresholds"):
        Decisions.read(tmp_path / "decisions.json")


def test_a_decision_answers_in_calibrated_probabilities() -> None:
    decision = Decision(2.0, (0.25, 0.9), "")
    answer = decision.answer({"labels": ["b"], "probabilities": {"a": 0.2, "b": 0.8}})
    assert answer["probabilities"] == pytest.approx({"a": 1 / 3, "b": 2 / 3})
    assert answer["labels"] == ["a"]
    assert decision.answer({"value": [3.0]}) == {"value": [3.0]}


@pytest.mark.parametrize("text", ["soon", "10", "0s", "-3m", "10 minutes", "1d", ""])
def test_a_time_limit_is_a_duration(text: str) -> None:
    if text == "10":
        assert seconds_of(text) == 10
        return
    with pytest.raises(ValueError, match=r"--time_limit should be a duration such as 90s, 10m or 1h. Found"):
        seconds_of(text)


def test_a_budget_counts_from_its_start() -> None:
    budget = Budget(100.0, start=Budget(None).start - 40)
    assert budget.remaining(0.5) == pytest.approx(30, abs=1)
    assert Budget(10.0, start=budget.start).remaining() == 1.0
