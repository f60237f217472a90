"""Risks, median times and temperatures of targets with an order in time or in rank."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from sennit.recipes.table.answers import answer_columns
from sennit.recipes.table.estimator import TableModel
from sennit.recipes.table.report.risk import event_share
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.decision import Decision
from sennit.recipes.table.training.decisions import Decisions
from sennit.recipes.table.training.survival import SurvivalDecision, baseline_hazard, fit_survival
from sennit.tasks.metrics import Answers

LIFE = {"kind": "survival", "time": "days", "event": "died"}


def drawn(size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log hazard ratios, and times of rate .1 e^η of which a third is censored."""
    rng = np.random.default_rng(seed)
    ratio = rng.normal(size=size)
    time, seen = rng.exponential(10 / np.exp(ratio)), rng.exponential(20, size)
    return ratio, np.minimum(time, seen), time <= seen


def answers_of(ratio: np.ndarray, time: np.ndarray, event: np.ndarray) -> Answers:
    logits, all_rows = torch.from_numpy(ratio)[:, None], torch.ones(len(ratio)).bool()
    return Answers(logits, logits, torch.from_numpy(np.where(event, time, -time)), all_rows, all_rows)


def test_the_baseline_hazard_is_breslows_also_where_times_are_tied() -> None:
    ratio, time, event = drawn(60)
    time = np.ceil(time)
    times, hazards = baseline_hazard(ratio, time, event)
    assert times.tolist() == sorted({t for t, e in zip(time, event, strict=True) if e})
    assert len(times) < event.sum()
    total = 0.0
    for t, hazard in zip(times.tolist(), hazards.tolist(), strict=True):
        at_risk = sum(np.exp(r) for r, other in zip(ratio, time, strict=True) if other >= t)
        total += sum(e and other == t for e, other in zip(event, time, strict=True)) / at_risk
        assert hazard == pytest.approx(total, rel=1e-12)


def test_risks_and_medians_are_those_that_the_times_were_drawn_with() -> None:
    ratio, time, event = drawn(4000)
    decision = fit_survival(answers_of(ratio, time, event), None, [1.0, 5.0])
    assert len(decision.times) == 500
    for r in (-1.0, 0.0, 1.0):
        answer = decision.answer({"value": [r]})
        rate = 0.1 * np.exp(r)
        assert answer["median"] == pytest.approx(np.log(2) / rate, rel=0.1)
        expected = {"1": 1 - np.exp(-rate), "5": 1 - np.exp(-5 * rate)}
        assert answer["risk"] == pytest.approx(expected, abs=0.02)
    assert decision.answer({"value": [-9.0]})["median"] is None  # later than any event that was seen
    assert decision.answer({"value": [0.0]})["value"] == [0.0]


def test_a_model_that_is_too_sure_of_its_ratios_has_a_temperature() -> None:
    sure = answers_of(*(lambda r, t, e: (3 * r, t, e))(*drawn(3000, seed=1)))
    decision = fit_survival(answers_of(*drawn(3000)), sure, [5.0])
    assert decision.temperature == pytest.approx(3, rel=0.1)
    few = fit_survival(answers_of(*drawn(100)), answers_of(*drawn(20)), [5.0])
    assert few.temperature == 1.0
    assert "events of validation rows are too few to choose it" in few.reason


def test_the_share_with_the_event_is_that_of_kaplan_and_meier() -> None:
    _, time, event = drawn(50)
    share = 1.0
    for t in sorted(time[event & (time <= 5)]):
        share *= 1 - 1 / (time >= t).sum()
    assert event_share(time, event, 5.0) == pytest.approx(1 - share)


def test_decisions_of_both_kinds_are_written_and_read(tmp_path: Path) -> None:
    decisions = Decisions(
        {
            "life": SurvivalDecision(1.5, reason="r", times=(1.0, 2.0), hazards=(0.1, 0.4), horizons=(2.0,)),
            "grade": Decision(2.0, reason="o", ordered=True),
        }
    )
    decisions.write(tmp_path / "decisions.json")
    assert Decisions.read(tmp_path / "decisions.json") == decisions


def test_the_answer_of_ordered_classes_is_the_median_of_the_calibrated_ones() -> None:
    decision = Decision(4.0, ordered=True)
    answer = decision.answer({"label": "a", "probabilities": {"a": 0.52, "b": 0.24, "c": 0.24}})
    powers = np.array([0.52, 0.24, 0.24]) ** 0.25
    assert [*answer["probabilities"].values()] == pytest.approx((powers / powers.sum()).tolist())
    assert answer["label"] == "b"


def test_a_table_with_times_and_grades_is_answered_with_risks_and_calibrated(tmp_path: Path) -> None:
    ratio, time, event = drawn(400)
    grade = np.digitize(ratio + np.random.default_rng(2).normal(size=400), [-1.0, 1.0])
    frame = pl.DataFrame({"x": ratio, "days": time, "died": event.astype(int), "grade": grade})
    schema = {
        "inputs": {"t": {"kind": "table", "numbers": ["x"]}},
        "targets": {"life": LIFE, "grade": {"kind": "ordinal", "column": "grade"}},
        "split": {"by": "random", "validation": 0.25},
    }
    model = TableModel(["life", "grade"], schema=schema, preset="fast", epochs=15, batch_size=50, lr=0.01)
    model.fit(frame)
    horizons = model.schema_.targets["life"].horizons
    assert len(horizons) == 3
    assert horizons[1] == pytest.approx(np.median(time[event]), rel=0.2)
    decisions = model.trained_.decisions
    assert decisions["grade"].ordered
    assert decisions["grade"].reason.endswith("100 validation rows; the median class")
    model.save(tmp_path / "model")
    again = TableModel.load(tmp_path / "model")
    answers = again.answers(frame)
    names = [f"life_risk_{h:g}" for h in horizons]
    assert [c for c in answers.columns if c.startswith("life")] == ["life", "life_median", *names]
    rate = 0.1 * np.exp(ratio)
    true = 1 - np.exp(-np.outer(rate, horizons))
    error = np.abs(answers[names].to_numpy() - true).mean()
    assert error < 0.08, error
    assert 0.65 < again.score(frame) < 1
    assert asdict(decisions["life"]) == asdict(again.trained_.decisions["life"])


def test_horizons_are_times_above_0() -> None:
    raw = {"inputs": {"t": {"kind": "table", "numbers": ["x"]}}, "targets": {"l": {**LIFE, "horizons": [0]}}}
    with pytest.raises(ValueError, match=r"`horizons` should be times above 0. Found \[0"):
        Schema.of(raw)
    columns = answer_columns(
        Schema.of({**raw, "targets": {"l": LIFE}}),
        [{"l": {"value": [1.0], "median": None, "risk": {"5": 0.5}}}],
    )
    assert columns == {"l": [1.0], "l_median": [None], "l_risk_5": [0.5]}
