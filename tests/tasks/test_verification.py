"""Errors of verification: counted as by hand, whatever the scores."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from sennit.tasks.verification import (
    DetCurve,
    bootstrap_interval,
    cllr,
    det_curve,
    equal_error_rate,
    min_cllr,
    min_dcf,
)

METRICS: dict[str, Callable[[Any, Any], Any]] = {
    "eer": equal_error_rate,
    "dcf": partial(min_dcf, p_target=0.01),
    "curve": det_curve,
    "cllr": cllr,
    "min_cllr": min_cllr,
}
TIED = st.lists(st.tuples(st.integers(-4, 4).map(float), st.booleans()), min_size=2, max_size=40)
FLOATS = st.floats(-1e6, 1e6, width=32)
UNTIED = st.lists(st.tuples(FLOATS, st.booleans()), min_size=2, max_size=40, unique_by=lambda x: x[0])
TRIALS = (TIED | UNTIED).filter(lambda rows: 0 < sum(y for _, y in rows) < len(rows))


def rates_by_hand(scores: list[float], labels: list[bool]) -> list[tuple[float, float, float]]:
    """Threshold, miss and false-alarm rate at every distinct score, and above them all."""
    found = []
    for threshold in [*sorted(set(scores)), math.inf]:
        miss = sum(y and s < threshold for s, y in zip(scores, labels, strict=True)) / sum(labels)
        alarms = sum(not y and s >= threshold for s, y in zip(scores, labels, strict=True))
        found.append((threshold, miss, alarms / (len(labels) - sum(labels))))
    return found


def eer_by_hand(rates: list[tuple[float, float, float]]) -> float:
    for (_, m0, f0), (_, m1, f1) in itertools.pairwise(rates):
        if m0 <= f0 and m1 > f1:
            part = (f0 - m0) / ((f0 - m0) + (m1 - f1))
            return m0 + part * (m1 - m0)
    raise AssertionError("the curve ends above the diagonal")


def gaussian_trials(n: int = 400, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.random(n) < 0.2
    return random.normal(size=n) + 2 * labels, labels


@settings(max_examples=300, deadline=None)
@given(TRIALS)
@example([(2.0, False), (2.0, False), (5.0, True), (5.0, False), (2.0, False), (3.0, False), (0.0, True)])
def test_the_equal_error_rate_is_that_of_a_sweep_by_hand(rows: list[tuple[float, bool]]) -> None:
    scores, labels = map(list, zip(*rows, strict=True))
    rates = rates_by_hand(scores, labels)
    found = equal_error_rate(scores, labels)
    assert found.value == pytest.approx(eer_by_hand(rates), abs=1e-12)
    gaps = {threshold: abs(miss - alarm) for threshold, miss, alarm in rates}
    assert gaps[found.threshold] == pytest.approx(min(gaps.values()), abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(TRIALS, st.sampled_from([0.5, 0.05, 0.01, 0.001]), st.sampled_from([(1, 1), (10, 1), (1, 3)]))
def test_the_minimal_cost_is_that_of_a_sweep_by_hand(
    rows: list[tuple[float, bool]], p: float, costs: tuple[float, float]
) -> None:
    scores, labels = map(list, zip(*rows, strict=True))
    c_miss, c_fa = costs
    least = min(c_miss * p, c_fa * (1 - p))
    by_hand = {t: (c_miss * p * m + c_fa * (1 - p) * f) / least for t, m, f in rates_by_hand(scores, labels)}
    found = min_dcf(scores, labels, p_target=p, c_miss=c_miss, c_fa=c_fa)
    assert found.value == pytest.approx(min(by_hand.values()), abs=1e-9)
    assert by_hand[found.threshold] == pytest.approx(found.value, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(TRIALS)
def test_the_curve_goes_through_the_points_of_a_sweep_by_hand(rows: list[tuple[float, bool]]) -> None:
    scores, labels = map(list, zip(*rows, strict=True))
    rates = rates_by_hand(scores, labels)
    by_hand = {threshold: (miss, alarm) for threshold, miss, alarm in rates}
    curve = det_curve(scores, labels)
    for threshold, miss, alarm in zip(curve.thresholds, curve.miss, curve.false_alarm, strict=True):
        assert by_hand[threshold] == pytest.approx((miss, alarm), abs=1e-12)
    assert (np.diff(curve.thresholds) > 0).all()
    for _, miss, alarm in rates:  # what is left out lies on the line: as far along in both directions
        behind = np.flatnonzero((curve.miss >= miss - 1e-12) & (curve.false_alarm <= alarm + 1e-12))[0]
        a, b = max(behind - 1, 0), behind
        on_line = (curve.miss[b] - curve.miss[a]) * (alarm - curve.false_alarm[a])
        assert on_line == pytest.approx(
            (curve.false_alarm[b] - curve.false_alarm[a]) * (miss - curve.miss[a]), abs=1e-12
        )


@pytest.mark.parametrize("name", ["eer", "dcf"])
def test_only_the_order_of_the_scores_matters_and_nothing_is_squashed(name: str) -> None:
    scores, labels = gaussian_trials()
    value = METRICS[name](scores, labels).value
    assert METRICS[name](np.exp(scores) + 1000, labels).value == value
    assert METRICS[name](scores * 1e-12 + 50, labels).value == value  # a sigmoid makes all of these 1
    shuffled = np.random.default_rng(1).permutation(len(scores))
    assert METRICS[name](scores[shuffled], labels[shuffled]).value == value


def test_the_minimal_cost_is_in_parts_of_that_without_scores() -> None:
    """Scores that say nothing cost 1: without the division they would cost .01."""
    assert min_dcf([0.0] * 100, [1, 0] * 50, p_target=0.01).value == 1
    scores, labels = gaussian_trials()
    assert min_dcf(-scores, labels, p_target=0.01).value <= 1


def test_perfect_and_reversed_scores() -> None:
    labels = np.arange(10) >= 5
    assert equal_error_rate(np.arange(10.0), labels) == (0.0, 5.0)
    assert equal_error_rate(-np.arange(10.0), labels).value == 1
    assert equal_error_rate(np.zeros(10), labels).value == 0.5


@pytest.mark.parametrize("name", list(METRICS))
def test_lists_arrays_and_tensors_give_the_same(name: str) -> None:
    scores, labels = gaussian_trials()
    scores = scores.astype(np.float32)
    want = METRICS[name](scores, labels)
    for x, y in (
        (torch.from_numpy(scores), torch.from_numpy(labels)),
        (scores.tolist(), labels.astype(int).tolist()),
        (scores.reshape(20, 20), labels.reshape(20, 20)),
    ):
        found = METRICS[name](x, y)
        pairs = (
            [(found, want)]
            if not isinstance(want, DetCurve)
            else [(found.miss, want.miss), (found.false_alarm, want.false_alarm)]
        )
        assert all(np.allclose(a, b, rtol=1e-6, atol=0) for a, b in pairs)
    assert equal_error_rate(torch.from_numpy(scores).bfloat16(), labels).value > 0


def test_memory_grows_with_the_trials_and_no_faster() -> None:
    random = np.random.default_rng(0)
    n = 1_000_000
    scores, labels = random.normal(size=n), random.random(n) < 0.01
    tracemalloc.start()
    equal_error_rate(scores, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * scores.nbytes


def test_the_cost_of_ratios_is_the_papers() -> None:
    scores, labels = gaussian_trials()
    targets = [math.log2(1 + math.exp(-s)) for s, y in zip(scores, labels, strict=True) if y]
    others = [math.log2(1 + math.exp(s)) for s, y in zip(scores, labels, strict=True) if not y]
    by_hand = (sum(targets) / len(targets) + sum(others) / len(others)) / 2
    assert cllr(scores, labels) == pytest.approx(by_hand, abs=1e-12)
    assert cllr([900.0, -900.0], [0, 1]) == pytest.approx(900 / math.log(2))


@pytest.mark.parametrize("decimals", [0, 6])
def test_the_least_cost_of_ratios_is_that_of_pooling_trial_by_trial(decimals: int) -> None:
    scores, labels = gaussian_trials()
    scores = scores.round(decimals)
    weights = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    p = IsotonicRegression().fit_transform(scores, labels.astype(float), sample_weight=weights)
    cost = -np.log2(np.where(labels, p, 1 - p))
    by_hand = (cost[labels].mean() + cost[~labels].mean()) / 2
    assert min_cllr(scores, labels) == pytest.approx(by_hand, abs=1e-9)
    assert min_cllr(scores, labels) <= cllr(2 * scores - 2, labels)


def test_drawn_units_count_trials_as_often_as_both_were_drawn() -> None:
    scores, labels = gaussian_trials(300, seed=3)
    scores = scores.round(1)
    random = np.random.default_rng(7)
    first, second = random.integers(0, 9, (2, 300))
    values: list[float] = []
    draws = np.random.default_rng(0)
    while len(values) < 20:
        drawn = np.bincount(draws.integers(9, size=9), minlength=9)
        times = np.where(first == second, drawn[first], drawn[first] * drawn[second])
        repeated = np.repeat(labels, times)
        if 0 < repeated.sum() < len(repeated):
            values.append(equal_error_rate(np.repeat(scores, times), repeated).value)
    names = np.array([f"speaker {i}" for i in range(9)])
    found = bootstrap_interval(
        DetCurve.equal_error_rate, scores, labels, units=(names[first], names[second]), draws=20, level=0.9
    )
    assert found == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])), abs=1e-12)


def test_drawn_trials_spread_as_those_that_are_drawn_one_by_one() -> None:
    scores, labels = gaussian_trials(1000)
    scores = scores.round(1)
    random = np.random.default_rng(1)
    values = []
    for _ in range(600):
        rows = [random.choice(np.flatnonzero(kind), int(kind.sum())) for kind in (labels, ~labels)]
        own = np.concatenate(rows)
        values.append(equal_error_rate(scores[own], labels[own]).value)
    found = bootstrap_interval(DetCurve.equal_error_rate, scores, labels, draws=600)
    assert found == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.006)


def test_an_interval_over_speakers_is_wider_than_one_over_trials_that_share_them() -> None:
    random = np.random.default_rng(0)
    speakers = np.repeat(np.arange(12), 8)
    easy = np.repeat(random.normal(size=12), 8)
    first, second = np.triu_indices(len(speakers), 1)
    labels = speakers[first] == speakers[second]
    scores = 2 * labels + easy[first] + easy[second] + 0.5 * random.normal(size=len(labels))
    metric = partial(bootstrap_interval, DetCurve.equal_error_rate, scores, labels, draws=300)
    by_trial, by_speaker = metric(), metric(units=(speakers[first], speakers[second]))
    value = equal_error_rate(scores, labels).value
    assert by_trial.low < value < by_trial.high
    assert by_speaker.high - by_speaker.low > 2 * (by_trial.high - by_trial.low)


def test_an_interval_of_any_metric_of_the_curve_repeats_with_its_seed() -> None:
    scores, labels = gaussian_trials()
    interval = partial(bootstrap_interval, lambda c: c.min_dcf(p_target=0.01), scores, labels, draws=100)
    assert interval(seed=1) == interval(seed=1) != interval(seed=2)


@pytest.mark.parametrize(
    ("scores", "labels", "match"),
    [
        ([0.1, 0.2, 0.3], [0, 1], r"`labels` should have a label for each score, shape \(3,\)"),
        ([0.1, math.nan, 0.3], [0, 1, 1], "`scores` should be finite. Found nan at trial 1, of 1 such"),
        ([0.1, math.inf, 0.3], [0, 1, 1], "`scores` should be finite. Found inf at trial 1"),
        ([0.1, 0.2], [1, 1], "target and non-target trials. Found 2 target and 0 non-target"),
        ([0.1, 0.2], [0, 0], "Found 0 target and 2 non-target"),
        ([], [], "Found 0 target and 0 non-target"),
        ([0.1, 0.2], [0, 2], "`labels` should be 1 .* Found .*2.*names of speakers"),
        ([0.1, 0.2], ["a", "b"], "`labels` should be 1 .*names of speakers"),
    ],
)
@pytest.mark.parametrize("name", list(METRICS))
def test_trials_that_cannot_be_counted_are_refused(name: str, scores: Any, labels: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        METRICS[name](scores, labels)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"p_target": 1.0}, "`p_target` should be between 0 and 1. Found 1.0"),
        ({"p_target": 5}, "Is it a percentage"),
        ({"p_target": 0.1, "c_miss": 0}, "`c_miss` should be a cost above 0"),
        ({"p_target": 0.1, "c_fa": math.inf}, "`c_fa` should be a cost above 0"),
    ],
)
def test_priors_and_costs_out_of_range_are_refused(options: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        min_dcf([0.1, 0.2], [0, 1], **options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"draws": 0}, "`draws` should be 1 or more"),
        ({"level": 95}, "`level` should be between 0 and 1"),
        ({"units": ([1, 2], [1, 2, 3, 4])}, "a unit for each of 4 trials"),
        ({"units": ([1] * 4, [1] * 4)}, "two units or more"),
    ],
)
def test_intervals_that_cannot_be_drawn_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        bootstrap_interval(DetCurve.equal_error_rate, [0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], **options)
