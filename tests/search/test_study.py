"""A search over a study: what it keeps, and how it resumes."""

from __future__ import annotations

import io
import json
import logging
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

import sennit.search
from sennit.search.population import propose
from sennit.search.records import Record
from sennit.search.strategies import create_strategy
from sennit.search.study import optuna_tables
from sennit.search.study.connection import sqlite_url
from sennit.search.study.run_search import run_search
from sennit.search.study.storage import Store
from sennit.search.study.trials import templates
from tests.search.landscape import make_space
from tests.search.simulated import Simulated, paid, read, simulated


def ask(folder: Path, evaluator: Simulated | None = None, **options: Any) -> list[Record]:
    options = {"name": "s", "generations": 3, "population": 8, "progress": False} | options
    strategy = options.pop("strategy", None) or create_strategy("genetic")
    return run_search(evaluator or simulated(), strategy, folder=folder, **options)


def small() -> Simulated:
    """Of which some genomes must come twice."""
    return Simulated(
        make_space("a", cells=1, operators=["sum"], widths=[8], merges=["late"], activations=["relu"])
    )


def trials(folder: Path, name: str = "s") -> list[Any]:
    return read(sqlite_url(folder / "study.db"), name)


# What there is in the end


def test_memory_and_a_file_give_the_same_records(tmp_path: Path) -> None:
    found = ask(tmp_path)
    assert found == ask(tmp_path, storage="memory")
    assert [r.proposal.slot for r in found] == [(g, i) for g in range(3) for i in range(8)]


def test_candidates_are_as_the_strategy_proposes_them_one_generation_after_the_other(tmp_path: Path) -> None:
    evaluator, found = simulated(), ask(tmp_path)
    for g in range(3):
        new = propose(
            create_strategy("genetic"),
            evaluator.space,
            found[: 8 * g],
            g,
            population=8,
            seed=0,
            admit=lambda genome: True,
        )
        assert [r.proposal for r in found[8 * g : 8 * (g + 1)]] == new


def test_the_slices_do_not_change_what_is_found(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()  # an empty file is a database that has yet to be filled
    assert ask(tmp_path, workers=2, heartbeat_s=1.0) == ask(tmp_path, storage="memory")


def test_each_trial_says_what_it_is_of(tmp_path: Path) -> None:
    found = ask(tmp_path)
    for record, trial in zip(found, trials(tmp_path), strict=True):
        assert trial.state is TrialState.COMPLETE
        assert tuple(trial.values) == record.values == (record.evaluation.error, record.costs["parameters"])
        assert trial.params == dict(record.proposal.genes)
        assert tuple(trial.user_attrs["slot"]) == record.proposal.slot
        assert trial.user_attrs["genome"] == record.proposal.genome.key
        assert trial.user_attrs["evaluation"]["errors"] == record.evaluation.errors
        assert trial.datetime_start <= trial.datetime_complete


def test_objectives_are_errors_of_tasks_and_costs(tmp_path: Path) -> None:
    evaluator = Simulated(make_space(tasks=["x", "y"]))
    (first, *_) = ask(tmp_path, evaluator, objectives=["error/y", "parameters", "error"], storage="memory")
    errors = first.evaluation.errors
    assert first.values == (errors["y"], first.costs["parameters"], (errors["x"] + errors["y"]) / 2)


def test_nothing_above_a_budget_is_proposed(tmp_path: Path) -> None:
    found = ask(tmp_path, budgets={"parameters": 8000}, storage="memory")
    assert all(r.costs["parameters"] <= 8000 for r in found)
    assert any(r.costs["parameters"] > 8000 for r in ask(tmp_path, storage="memory"))


def test_nobody_pays_for_a_genome_twice(tmp_path: Path) -> None:
    evaluator = replace(small(), log=tmp_path / "log")
    found = ask(tmp_path, evaluator, strategy=create_strategy("random"))
    assert any(r.copied_from for r in found)
    assert max(Counter(paid(tmp_path / "log")).values()) == 1
    by_slot = {r.proposal.slot: r for r in found}
    for record in found:
        if record.copied_from is None:
            assert record.proposal.slot in paid(tmp_path / "log")
        else:
            first = by_slot[record.copied_from]
            assert first.copied_from is None
            assert record.proposal.slot not in paid(tmp_path / "log")
            assert (first.proposal.genome, first.evaluation) == (record.proposal.genome, record.evaluation)


@pytest.fixture
def east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that differs from the tables', which keep UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("east")
def test_many_trials_written_at_once_are_those_that_optuna_writes_one_by_one(tmp_path: Path) -> None:
    space = make_space()
    new = propose(create_strategy("random"), space, [], 0, population=4, seed=0, admit=lambda genome: True)
    waiting = templates(new, {}, [{"parameters": 1.0}] * 4, space, 2)
    ours, theirs = (
        Store(sqlite_url(tmp_path / f"{name}.db"), "s", objectives=["error", "flops"], heartbeat_s=5.0)
        for name in ("ours", "theirs")
    )
    with closing(ours), closing(theirs):
        assert ours.append(waiting, expected=0)
        assert not ours.append(waiting, expected=0)
        for template in waiting:
            theirs.study.add_trial(template)
        assert ours.trials() == theirs.trials()
        values, results = [[0.5, float("inf")], [0.25, 2.0]], [{"epochs": 1}, {"epochs": 2}]
        ours.run(ours.trials()[:3])
        ours.complete(ours.trials()[:2], values, results)
        for i in range(3):
            theirs._set(theirs.trials()[i], "RUNNING")
        for i in range(2):
            theirs._set(theirs.trials()[i], "COMPLETE", values[i], evaluation=results[i])
        for mine, other in zip(ours.trials(), theirs.trials(), strict=True):
            for moment in ("datetime_start", "datetime_complete"):
                at = [getattr(trial, moment) for trial in (mine, other)]
                assert at == [None, None] or abs(at[0] - at[1]) < timedelta(seconds=60)
                setattr(mine, moment, at[1])
            assert mine == other


def test_a_schema_that_nobody_knows_is_written_by_public_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(optuna_tables, "SCHEMAS", frozenset({"v9.9.9.z"}))
    monkeypatch.setattr(optuna_tables, "OptunaTables", None)  # nothing private is called
    with caplog.at_level(logging.WARNING):
        ask(tmp_path, generations=2)
    assert "Optuna's storage has schema v3.2.0.a, and the search knows v9.9.9.z" in caplog.text
    assert ask(tmp_path) == ask(tmp_path, storage="memory")
    assert {trial.state for trial in trials(tmp_path)} == {TrialState.COMPLETE}


def test_the_private_names_of_optuna_stand_in_one_file() -> None:
    private = re.compile(r"optuna(\.\w+)*\._|\._trial_id|\._storage\b(?<!self\._storage)|_get_generation_key")
    files = [p for p in Path(sennit.search.__file__).parent.rglob("*.py") if private.search(p.read_text())]
    assert [p.name for p in files] == ["optuna_tables.py"]


# Resuming


def test_a_search_resumes_where_it_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = ask(tmp_path, simulated(log), generations=2)
    assert ask(tmp_path, simulated(log), generations=2) == first
    assert len(paid(log)) == 16
    longer = ask(tmp_path, simulated(log))
    assert (longer[:16], len(paid(log))) == (first, 24)
    assert longer == ask(tmp_path, storage="memory")
    assert ask(tmp_path, simulated(log), generations=1) == first[:8]


def test_two_studies_may_share_a_folder(tmp_path: Path) -> None:
    assert ask(tmp_path, name="a") == ask(tmp_path, name="b", strategy=create_strategy("genetic"))
    assert len(trials(tmp_path, "a")) == len(trials(tmp_path, "b")) == 24


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"seed": 1}, "seed 0. Found 1"),
        ({"population": 4}, "population 8. Found 4"),
        ({"budgets": {"parameters": 9.0}}, "budgets"),
        ({"strategy": create_strategy("random")}, "strategy"),
        ({"evaluator": replace(simulated(), fingerprint="other")}, "fingerprint simulated. Found other"),
        ({"evaluator": Simulated(make_space(cells=2))}, "space"),
        ({"objectives": ["parameters", "error"]}, "objectives"),
    ],
)
def test_other_settings_are_refused_by_name(options: dict[str, Any], named: str, tmp_path: Path) -> None:
    ask(tmp_path, generations=1)
    with pytest.raises(ValueError, match=f"study 's' was started with {named}"):
        ask(tmp_path, **options)


def test_a_candidate_that_fails_is_an_error_and_tried_again_by_the_next_call(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ArithmeticError, match="cannot be trained"):
        ask(tmp_path, simulated(log, fails_at=(1, 5)))
    states = Counter(trial.state for trial in trials(tmp_path))
    assert states == {TrialState.COMPLETE: 8, TrialState.FAIL: 1, TrialState.WAITING: 7}
    (failed,) = [t for t in trials(tmp_path) if t.state is TrialState.FAIL]
    assert failed.user_attrs["error"] == "ArithmeticError: this one cannot be trained"
    assert ask(tmp_path, simulated(log)) == ask(tmp_path, storage="memory")
    assert max(Counter(paid(log)).values()) == 1


def test_a_candidate_that_fails_in_a_worker_ends_the_search(tmp_path: Path, capfd: Any) -> None:
    with pytest.raises(RuntimeError, match="generation 1 failed: ArithmeticError: this one cannot"):
        ask(tmp_path, simulated(fails_at=(1, 5)), workers=2, heartbeat_s=1.0)
    assert "ArithmeticError" in capfd.readouterr().err


def test_errors_that_are_no_numbers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = simulated()
    monkeypatch.setattr(evaluator._landscape, "error", lambda *_: float("nan"))
    with pytest.raises(ValueError, match=r"errors of \(0, 0\) should be numbers. Found \{'y': nan\}"):
        ask(tmp_path, evaluator)


def test_an_interruption_gives_back_what_was_claimed(tmp_path: Path, capsys: Any) -> None:
    def interrupt(*_: object) -> float:
        raise KeyboardInterrupt

    evaluator = simulated()
    evaluator._landscape.error = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, evaluator)
    assert "interrupted; the same call resumes from here" in capsys.readouterr().err
    assert {trial.state for trial in trials(tmp_path)} == {TrialState.WAITING}
    assert ask(tmp_path) == ask(tmp_path, storage="memory")


def test_a_worker_that_was_taken_for_dead_continues(tmp_path: Path, caplog: Any) -> None:
    whole, evaluator = ask(tmp_path, storage="memory"), simulated()
    plain, stolen = evaluator.evaluate, []

    def slow(proposals: Any, **options: Any) -> Any:
        if not stolen:
            other = Store(sqlite_url(tmp_path / "study.db"), "s", objectives=["error"], heartbeat_s=5.0)
            other._set(other.trials()[0], "FAIL")
            other.close()
            stolen.append(True)
        return plain(proposals, **options)

    evaluator.evaluate = slow  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING):
        assert ask(tmp_path, evaluator) == whole
    assert "slice of candidate (0, 0) was taken over by another worker" in caplog.text
    assert Counter(t.state for t in trials(tmp_path)) == {TrialState.COMPLETE: 24, TrialState.FAIL: 1}


def test_progress_says_what_there_is(tmp_path: Path, capsys: Any) -> None:
    found = ask(tmp_path, progress=True)
    best = min(r.evaluation.error for r in found)
    assert f"s: generation 3, best error {best:.4f}, 24 trained" in " ".join(capsys.readouterr().err.split())


# Who else can read it


def test_the_dashboard_opens_the_study(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    ask(tmp_path)
    app = dashboard.wsgi(sqlite_url(tmp_path / "study.db"))
    status: list[str] = []

    def get(path: str) -> Any:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
        }
        body = b"".join(app(environ, lambda line, *_: status.append(line)))
        return json.loads(body)

    (study,) = get("/api/studies")["study_summaries"]
    assert study["study_name"] == "s"
    assert study["directions"] == ["minimize", "minimize"]
    detail = get(f"/api/studies/{study['study_id']}")
    assert (detail["objective_names"], len(detail["trials"])) == (["error", "parameters"], 24)
    assert status == ["200 OK", "200 OK"]


def test_the_file_is_a_database_in_write_ahead_mode(tmp_path: Path) -> None:
    ask(tmp_path, generations=1)
    database = sqlite3.connect(tmp_path / "study.db")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


# What is asked for


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generations": 0}, "`generations` should be at least 1. Found 0"),
        ({"heartbeat_s": 0.0}, "`heartbeat_s` should be above 0"),
        ({"name": "../s"}, "`name` should consist of letters"),
        ({"launcher": "slurm"}, "`launcher` should be 'processes' or 'ray'. Found 'slurm'"),
        ({"storage": "memory", "workers": 2}, "`storage='memory'` is for one worker"),
        ({"objectives": ["error/z"]}, "unknown objective 'error/z'. Did you mean 'error/y'"),
        ({"objectives": []}, "`objectives` should hold at least one name, each once"),
        ({"budgets": {"parameter": 1}}, "unknown cost in `budgets` 'parameter'. Did you mean 'parameters'"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        ask(tmp_path, **options)
    assert not list(tmp_path.iterdir())
