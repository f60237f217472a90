from __future__ import annotations

import numpy as np
import pytest

from sennit.recipes.harness.bootstrap import interval, replicates

RNG = np.random.default_rng(0)


def draw(seeds: int, size: int, p: float = 0.8) -> list[np.ndarray]:
    return [(RNG.random(size) < p).astype(int) for _ in range(seeds)]


def plain_loop(correct: list[np.ndarray], units: np.ndarray, seeds: np.ndarray, drawn: np.ndarray) -> float:
    """The accuracy when these seeds and these units are drawn."""
    found = [correct[s][i] for s in seeds for unit in drawn for i in np.flatnonzero(units == unit)]
    return float(np.mean(found))


def test_a_replicate_is_the_accuracy_of_the_drawn_seeds_and_units(monkeypatch: pytest.MonkeyPatch) -> None:
    units = np.array([0, 0, 1, 1, 1, 2])
    correct = draw(2, 6, 0.5)
    drawn = {2: np.array([1, 1]), 3: np.array([0, 2, 2])}
    counts = lambda size: np.bincount(drawn[size], minlength=size)[None].astype(np.float32)  # noqa: E731
    monkeypatch.setattr("sennit.recipes.harness.bootstrap._draws", counts)
    expected = plain_loop(correct, units, drawn[2], drawn[3])
    assert replicates(correct, [units, units]) == pytest.approx([expected])


def test_one_seed_of_independent_samples_gives_the_binomial_interval() -> None:
    correct = draw(1, 2000)
    values = replicates(correct, [np.arange(2000)])
    p = correct[0].mean()
    low, high = interval(values)
    assert values.mean() == pytest.approx(p, abs=0.002)
    assert high - low == pytest.approx(2 * 1.96 * (p * (1 - p) / 2000) ** 0.5, rel=0.1)


def test_samples_of_one_unit_count_as_one() -> None:
    right = RNG.integers(0, 2, 100)
    alone = replicates([right], [np.arange(100)])
    tenfold = replicates([np.repeat(right, 10)], [np.repeat(np.arange(100), 10)])
    assert interval(tenfold) == pytest.approx(interval(alone), abs=1e-6)
    pretended = replicates([np.repeat(right, 10)], [np.arange(1000)])
    assert np.ptp(interval(pretended)) < 0.5 * np.ptp(interval(alone))


def test_more_seeds_on_the_same_samples_are_not_more_samples() -> None:
    right = draw(1, 500)[0]
    one, five = (replicates([right] * n, [np.arange(500)] * n) for n in (1, 5))
    assert interval(five) == pytest.approx(interval(one), abs=1e-6)


def test_seeds_that_differ_widen_the_interval() -> None:
    same = [np.arange(1000) % 2] * 4
    differ = [np.ones(1000, int), np.zeros(1000, int)] * 2
    units = [np.arange(1000)] * 4
    assert np.ptp(interval(replicates(differ, units))) > 5 * np.ptp(interval(replicates(same, units)))


def test_the_difference_of_two_methods_is_paired() -> None:
    worse = draw(1, 1000)[0]
    better = worse.copy()
    better[np.flatnonzero(worse == 0)[:30]] = 1  # never wrong where the other is right
    units = [np.arange(1000)]
    low, high = interval(replicates([better], units) - replicates([worse], units))
    assert 0 < low < 0.03 < high
    assert high - low < 0.5 * np.ptp(interval(replicates([worse], units)))


def test_samples_without_a_label_do_not_count() -> None:
    right = draw(1, 300)[0]
    some = np.concatenate([right, np.full(100, -1)])
    units = np.arange(400)
    assert replicates([some], [units]).mean() == pytest.approx(right.mean(), abs=0.01)


def test_a_sure_result_has_an_interval_of_no_width() -> None:
    assert interval(replicates([np.ones(50, int)] * 3, [np.arange(50)] * 3)) == (1.0, 1.0)
