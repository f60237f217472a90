"""A study over trainings: proposals, pruning, limits, resuming, failures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from sennit.search.training import Between, OneOf, TrialReport, search_training

SPACE = {"x": Between(1e-3, 1e1, log=True), "kind": OneOf(("good", "bad"))}


def score(choices: Mapping[str, object], report: TrialReport | None = None) -> float:
    """Best at x = .1 and the good kind."""
    x, kind = choices["x"], choices["kind"]
    assert isinstance(x, float)
    value = 1 / (1 + abs(x - 0.1)) - (kind == "bad")
    for epoch in range(4):
        if report is not None and report(epoch, value * (epoch + 1) / 4):
            break
    return value


def fails(choices: Mapping[str, object], report: TrialReport) -> float:
    raise ValueError("the training loss should be finite")


def test_it_finds_the_best_choices_and_prunes_the_bad(tmp_path: Path) -> None:
    result = search_training(score, SPACE, folder=tmp_path, trials=30, prune_from=1, seed=1)
    assert result.best.choices["kind"] == "good"
    assert result.best.value == score(result.best.choices) > 0.9
    states = [trial.state for trial in result.trials]
    assert len(states) == 30
    assert 5 <= states.count("pruned") <= 25
    pruned = [t for t in result.trials if t.state == "pruned"]
    assert all(2 <= t.epochs < 4 for t in pruned)
    assert max(t.value or 0.0 for t in pruned) < (result.best.value or 0.0)


def test_the_least_can_be_the_best_and_nothing_is_pruned_by_default(tmp_path: Path) -> None:
    result = search_training(score, SPACE, folder=tmp_path, trials=8, mode="min")
    assert {trial.state for trial in result.trials} == {"complete"}
    assert result.best.value == min(trial.value or 0.0 for trial in result.trials)


def test_the_same_call_resumes_and_other_choices_are_refused(tmp_path: Path) -> None:
    first = search_training(score, SPACE, folder=tmp_path, trials=3)
    more = search_training(score, SPACE, folder=tmp_path, trials=5)
    assert more.trials[:3] == first.trials
    assert len(more.trials) == 5
    assert len({trial.choices["x"] for trial in more.trials}) == 5
    with pytest.raises(ValueError, match=r"other settings: space\. Resume with the former.*another name or"):
        search_training(score, {"x": Between(0.0, 1.0)}, folder=tmp_path)
    assert (
        len(
            search_training(
                score,
                {"x": Between(0.1, 1.0), "kind": OneOf(("a",))},
                folder=tmp_path,
                name="another",
                trials=1,
            ).trials
        )
        == 1
    )


def test_no_training_begins_after_the_time(tmp_path: Path) -> None:
    def slow(choices: Mapping[str, object], report: TrialReport) -> float:
        time.sleep(0.3)
        return score(choices)

    result = search_training(slow, SPACE, folder=tmp_path, trials=50, timeout=1.0)
    assert 1 <= len(result.trials) <= 4
    assert search_training(slow, SPACE, folder=tmp_path, trials=50, timeout=0.0).trials == result.trials


def test_failures_are_counted_with_their_errors(tmp_path: Path) -> None:
    def sometimes(choices: Mapping[str, object], report: TrialReport) -> float:
        return fails(choices, report) if report.number == 1 else score(choices)

    result = search_training(sometimes, SPACE, folder=tmp_path, trials=6)
    assert [t.state for t in result.trials].count("failed") == 1
    assert result.trials[1].error == "ValueError: the training loss should be finite"
    with pytest.raises(RuntimeError, match="the first 3 trainings failed: ValueError: the training loss"):
        search_training(fails, SPACE, folder=tmp_path, name="hopeless", trials=6)
    empty = search_training(score, SPACE, folder=tmp_path, name="none", timeout=0.0)
    with pytest.raises(ValueError, match="should have a complete training"):
        _ = empty.best


def test_several_workers_share_a_study(tmp_path: Path) -> None:
    result = search_training(score, SPACE, folder=tmp_path, trials=6, workers=2)
    assert sorted(trial.number for trial in result.trials) == list(range(len(result.trials)))
    assert 6 <= len(result.trials) <= 7
    assert len({trial.choices["x"] for trial in result.trials}) == len(result.trials)


@pytest.mark.parametrize("argument", ["trials", "workers"])
def test_counts_are_checked(tmp_path: Path, argument: str) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` should be 1 or more. Found 0"):
        search_training(score, SPACE, folder=tmp_path, **{argument: 0})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`low` should be below `high`"):
        Between(2.0, 1.0)
    with pytest.raises(ValueError, match="above 0 where `log` is true"):
        Between(0.0, 1.0, log=True)
    with pytest.raises(ValueError, match="at least one value"):
        OneOf(())
