from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from benchmarks import multitask_accuracy
from benchmarks._multitask_plan import BEST, SINGLE, Case, finalists, fixed_cases, screened
from benchmarks._multitask_results import gains
from benchmarks._multitask_runs import DATA, describe
from benchmarks._screen import Trainings, run
from sennit.tasks import list_balancings, list_sharings, list_weightings
from tests.benchmarks.test_overhead import check_schema

REFUSED = "mmoe"


def made_up(job: Mapping[str, Any], *, validation: float = 0.6, test: float = 0.7) -> dict[str, Any]:
    """What a training gives, from made-up scores of two tasks."""
    if job["sharing"] == REFUSED:
        return {"refused": "it does not work here"}
    shift = 0.01 * job["seed"]
    sides = {"validation": validation, "test": test + shift}
    return {
        **{side: {"score": v, "by_task": {"a": v, "b": v / 2}} for side, v in sides.items()},
        "step_ms": 4.0 if job["balancing"] else 2.0,
        "steps": 10,
    }


class Fake:
    """In the place of `train`: counts jobs, and stops as if killed after some."""

    def __init__(self, stop: int | None = None) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.stop = stop

    def __call__(self, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        if len(self.jobs) == self.stop:
            raise KeyboardInterrupt
        self.jobs.append(dict(job))
        # On validation data pcgrad is the best, on test data running_deviation.
        good = 0.9 if job["balancing"] == "pcgrad" else 0.6
        best = 0.95 if job["weighting"] == "running_deviation" else 0.7
        return made_up(job, validation=good, test=best)


def run_main(
    folder: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, *, drawn: bool = False
) -> dict[str, Any]:
    monkeypatch.setattr(multitask_accuracy, "train", fake)
    if not drawn:
        monkeypatch.setattr(multitask_accuracy, "draw", lambda _: Figure(figsize=(1, 1)))
    arguments = ["--quick", "--workers", "0", "--work", str(folder / "work"), "--out", str(folder / "m.json")]
    monkeypatch.setattr(sys, "argv", ["multitask_accuracy", *arguments])
    multitask_accuracy.main()
    written: dict[str, Any] = json.loads((folder / "m.json").read_text())
    return written


def names(jobs: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(job, sort_keys=True) for job in jobs]


def test_a_killed_run_goes_on_after_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, second, third = Fake(stop=1), Fake(), Fake()
    with pytest.raises(KeyboardInterrupt):
        run_main(tmp_path, killed, monkeypatch)
    run_main(tmp_path, second, monkeypatch)
    assert killed.jobs
    assert killed.jobs[0] not in second.jobs
    assert len(set(names(second.jobs))) == len(second.jobs)
    run_main(tmp_path, third, monkeypatch)
    assert third.jobs == []


def test_other_settings_are_trained_anew(tmp_path: Path) -> None:
    done = Trainings(tmp_path)
    seen: list[dict[str, Any]] = []

    def work(job: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(job["settings"])
        return made_up(job)

    case = Case("school")
    for settings in ({"epochs": 1, "shape": (2, 3)}, {"epochs": 1, "shape": (2, 3)}, {"epochs": 2}):
        run(work, [(case, settings, 0)], done, workers=0, describe=describe)
    assert [own["epochs"] for own in seen] == [1, 2]


def test_every_method_is_screened_once() -> None:
    cases = screened("tox21")
    assert len(set(cases)) == len(cases)
    for sharing in list_sharings():
        assert {Case("tox21", sharing), Case("tox21", sharing, "uncertainty")} <= set(cases)
    assert {Case("tox21", weighting=name) for name in list_weightings()} <= set(cases)
    assert {Case("tox21", balancing=name) for name in list_balancings() if name != "debiasing"} <= set(cases)
    assert cases[0] == Case("tox21", SINGLE)


def test_the_best_on_validation_go_on_a_sharing_once() -> None:
    cases = screened("school")
    values = {case: float(place) for place, case in enumerate(reversed(cases))}
    values |= {Case("school", "ple"): 1000.0, Case("school", "ple", "uncertainty"): 999.0}
    values |= {Case("school", balancing="mgda"): 998.0, Case("tox21", "mmoe"): 5000.0}
    values |= {Case("school", "sluice"): float("nan")}
    chosen = finalists(values, "school")
    fixed = fixed_cases("school")
    assert chosen[: len(fixed)] == fixed
    assert Case("school", "ple") in chosen
    assert Case("school", "ple", "uncertainty") not in chosen
    assert Case("school", balancing="mgda") in chosen
    assert Case("school", "sluice") not in chosen
    assert {case.data for case in chosen} == {"school"}
    assert len(chosen) <= len(fixed) + 2 * BEST


def test_test_figures_choose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every figure on test data turned round, the same go on to all seeds."""
    plain = run_main(tmp_path / "plain", Fake(), monkeypatch)

    class Turned(Fake):
        def __call__(self, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
            found = super().__call__(folder, job)
            if "test" in found:
                found["test"] = {"score": 0.1, "by_task": {"a": 0.1 + 0.01 * len(self.jobs), "b": 0.1}}
            return found

    turned = run_main(tmp_path / "turned", Turned(), monkeypatch)
    finals = [{(own["data"], own["what"]) for own in w["table"] if own["final"]} for w in (plain, turned)]
    assert finals[0] == finals[1]
    assert ("avdigits", "hard, pcgrad") in finals[0]
    assert ("school", "hard, pcgrad") not in finals[0]  # there more is a larger error


def test_the_file_says_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = run_main(tmp_path, Fake(), monkeypatch, drawn=True)
    check_schema(written)
    table = {(own["data"], own["what"]): own for own in written["table"]}
    alone, best = table["tox21", SINGLE], table["tox21", "hard, running_deviation"]
    assert alone["delta_m"]["test"]["mean"] == 0
    # Both tasks of seeds 0 and 1: .95 over .70, .96 over .71.
    assert best["delta_m"]["test"]["each"] == pytest.approx([100 * 0.25 / 0.7, 100 * 0.25 / 0.71], abs=1e-3)
    assert best["tasks"]["test"] == pytest.approx({"a": 0.955, "b": 0.4775})
    assert table["tox21", "hard, pcgrad"]["step_cost"] == 2.0
    assert table["tox21", "hard, equal"]["step_cost"] == 1.0
    # On school the figure of a task is an error: more of it is a loss.
    assert table["school", "hard, running_deviation"]["delta_m"]["test"]["mean"] < 0
    stated = {(own["data"], own["what"]): own for own in written["statements"]}
    pair = stated["avdigits", "hard, uncertainty against hard, running_deviation"]
    assert pair["difference"]["mean"] == pytest.approx(-0.25)
    assert pair["difference"]["std"] == pytest.approx(0)
    assert pair["delta_m"]["each"] == pytest.approx([-100 * 0.25 / 0.95, -100 * 0.25 / 0.96], abs=1e-3)
    assert ("avdigits", f"cross_stitch, equal against {SINGLE}") in stated
    assert (tmp_path / "m.png").stat().st_size > 1000


def test_a_refusal_is_a_row_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = run_main(tmp_path, Fake(), monkeypatch)
    rows = {row["what"]: row for row in written["rows"]}
    for data in DATA:
        assert rows[f"{data}: {REFUSED}, equal"]["unit"] == "(not run: it does not work here)"
    assert not any(own["what"].startswith(REFUSED) for own in written["table"])


def test_a_gain_is_over_the_networks_of_the_same_seed() -> None:
    case, alone = Case("tox21"), Case("tox21", SINGLE)
    found = {
        (own, seed): made_up(own.job({}, seed), test=0.7 if own is case else 0.5)
        for own in (case, alone)
        for seed in (0, 1)
    }
    for seed in (0, 1):
        expected = 100 * ((0.7 + 0.01 * seed) / (0.5 + 0.01 * seed) - 1)
        assert gains(found, "test", seed)[case] == pytest.approx(expected)
