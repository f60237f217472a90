"""Whole runs over the harness: the command of a recipe, and `sennit.recipes.compare`."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sennit.recipes import compare
from sennit.recipes.command_line import Options, config_class, list_recipes, parse_options
from sennit.recipes.harness import find_recipe
from sennit.recipes.harness.summary import summarise, waiting
from sennit.recipes.harness.table import TableRow, columns_of
from tests.recipes.tiny import RECIPE, Config, Tiny, main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return main(["--output", str(tmp_path_factory.mktemp("tiny") / "runs")])


def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


# The table


def test_the_table_has_each_method_and_task_once_over_all_seeds(run: Path) -> None:
    table = metrics(run)["table"]
    assert {(r["name"], r["task"]) for r in table} == {
        (name, task) for name in ("a", "b", "concat", "gated") for task in ("class", "of_b")
    } - {("a", "of_b")}
    for row in table:
        assert len(row["scores"]) == 2
        assert row["mean"] == pytest.approx(np.mean(row["scores"]))
        assert row["std"] == pytest.approx(np.std(row["scores"], ddof=1))
        assert row["interval"][0] <= row["mean"] <= row["interval"][1]


def test_differences_are_to_plain_concatenation(run: Path) -> None:
    table = {(r["name"], r["task"]): r for r in metrics(run)["table"]}
    assert table["concat", "class"]["difference"] is None
    for name in ("a", "gated"):
        gain, low, high = table[name, "class"]["difference"]
        assert gain == pytest.approx(table[name, "class"]["mean"] - table["concat", "class"]["mean"])
        assert low <= gain <= high


def test_metrics_say_what_ran_and_how_long_it_waited(run: Path) -> None:
    found = metrics(run)
    assert {"command", "versions", "machine", "date", "seeds", "licence", "table"} <= set(found)
    assert found["seeds"] == [0, 1]
    share, worst = found["waiting"]
    assert 0 <= share <= worst < 1


def test_the_csv_has_the_rows_of_the_table(run: Path) -> None:
    with (run / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["name"], r["task"], float(r["mean"])) for r in rows] == [
        (r["name"], r["task"], r["mean"]) for r in metrics(run)["table"]
    ]


def test_the_report_has_all_parts(run: Path) -> None:
    text = (run / "report.html").read_text()
    parts = ["Made up.", "± standard deviation", "against concat", "class accuracy: no a", "modality weights"]
    parts += ["<svg", "data:image/png", "Waiting for data took", "chosen on validation data", "torch "]
    for part in parts:
        assert part in text, part


def test_the_run_shows_its_table_and_the_share_of_waiting(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--output", str(run.parent), "--resume", str(run)])
    shown = capsys.readouterr().out
    assert "gated" in shown
    assert "Waited for data" in shown


def test_folds_of_a_seed_are_joined_for_the_interval() -> None:
    config = Config(seeds=1)
    right = np.random.default_rng(0).integers(0, 2, 90).tolist()
    whole = [{"tasks": {"class": {"score": np.mean(right), "correct": right}}, "units": list(range(90))}]
    folds = [
        {
            "tasks": {"class": {"score": np.mean(right[k::3]), "correct": right[k::3]}},
            "units": list(range(k, 90, 3)),
        }
        for k in range(3)
    ]
    job = {"row": "gated", "protocol": "test", "seed": 0}
    (one,) = summarise(RECIPE, config, [job], whole)
    (other,) = summarise(RECIPE, config, [{**job, "fold": k} for k in range(3)], folds)
    assert one.interval == pytest.approx(other.interval)
    assert len(other.scores) == 3


def test_a_difference_is_over_the_samples_that_both_answered() -> None:
    """An input alone, tested on the rows that have it, is no better than a fusion that is right on them."""
    units = list(range(480))
    whole = [1] * 159 + [0] * 161 + [-1] * 160
    results = [
        {"tasks": {"class": {"score": 1.0, "correct": [1] * 159}}, "units": units[:159]},
        {"tasks": {"class": {"score": 159 / 320, "correct": whole}}, "units": units},
        {"tasks": {"class": {"score": 0.0, "correct": [0]}}, "units": [500]},
    ]
    jobs = [{"row": row, "protocol": "test", "seed": 0} for row in ("a", "concat", "b")]
    rows = {row.name: row for row in summarise(RECIPE, Config(seeds=1), jobs, results)}
    assert rows["a"].difference == [0.0, 0.0, 0.0]
    assert rows["a"].compared == 159
    assert rows["b"].difference is None
    assert rows["concat"].mean == pytest.approx(159 / 320)


def test_waiting_is_weighed_by_time() -> None:
    assert waiting([{"waiting": 0.5, "seconds": 1.0}, {"waiting": 0.1, "seconds": 9.0}, {}]) == (
        pytest.approx(0.14),
        0.5,
    )
    assert waiting([{}]) is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([("digit", "test")], ["digit accuracy"]),
        ([("digit", "test"), ("speaker", "test")], ["digit accuracy", "speaker accuracy"]),
        ([("digit", "same"), ("digit", "new")], ["same words", "new words"]),
        ([("x", "same"), ("y", "new")], ["x accuracy, same words", "y accuracy, new words"]),
    ],
)
def test_columns_name_what_tells_them_apart(keys: list[tuple[str, str]], expected: list[str]) -> None:
    rows = [TableRow("m", "late", False, p, t, "accuracy", 0.5, 0.1) for t, p in keys]
    words = {"test": "test words", "same": "same words", "new": "new words"}
    assert list(columns_of(rows, words).values()) == expected


# The command line


@pytest.mark.parametrize("name", [name for name in list_recipes() if name != "table"])
def test_every_option_of_every_recipe_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse_options(config_class(name), ["--help"], prog=name)
    entries = {e.split()[0]: e.split(None, 2) for e in capsys.readouterr().out.split("\n  --")[1:]}
    for field in dataclasses.fields(config_class(name)):
        assert len(entries[field.name][2]) > 15, field.name


@pytest.mark.parametrize("name", [name for name in list_recipes() if name != "table"])
def test_every_yaml_of_every_recipe_is_valid(name: str) -> None:
    for path in set((ROOT / "recipes" / name).glob("*.yaml")) - {ROOT / "recipes" / name / "search.yaml"}:
        config, _ = parse_options(config_class(name), ["--config", str(path)], prog=name)
        assert isinstance(config, Options)


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown recipe 'avdigit'. Did you mean 'avdigits'\?"):
        find_recipe("avdigit")


# compare


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Rows and seeds of the jobs that are worked on, in order; the recipe is the tiny one."""
    done: list[tuple[str, int]] = []

    class Logged(Tiny):
        def run_job(self, config: Config, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
            done.append((job["row"], job["seed"]))
            return super().run_job(config, folder, job)

    monkeypatch.setattr("sennit.recipes.harness.find_recipe", lambda _: Logged())
    monkeypatch.setattr("sennit.recipes.command_line.with_recipe.config_class", lambda _: Config)
    return done


def ask(folder: Path, fusion: str, seeds: int, *more: str) -> Path:
    options = ["--recipe", "tiny", "--fusion", fusion, "--seeds", str(seeds)]
    return compare.main([*options, "--output", str(folder), *more])


def names(folder: Path) -> set[str]:
    return {r["name"] for r in metrics(folder)["table"]}


def test_compare_never_runs_a_finished_cell_twice(tmp_path: Path, ran: list[tuple[str, int]]) -> None:
    first = ask(tmp_path, "concat,gated", 1)
    assert sorted(ran) == [("a", 0), ("b", 0), ("concat", 0), ("gated", 0)]
    ran.clear()
    assert ask(tmp_path, "concat,gated", 1) == first
    assert ran == []
    ask(tmp_path, "gated, low_rank", 1)
    assert ran == [("low_rank", 0)]
    assert names(first) == {"a", "b", "gated", "low_rank"}
    ran.clear()
    ask(tmp_path, "gated", 2)
    assert sorted(ran) == [("a", 1), ("b", 1), ("gated", 1)]


def test_compare_goes_on_where_it_was_stopped(tmp_path: Path, ran: list[tuple[str, int]]) -> None:
    folder = ask(tmp_path / "straight", "concat", 1)
    ran.clear()
    build, built = Tiny.build, []

    def stop_at_the_second(*arguments: Any) -> Any:
        built.append(arguments)
        if len(built) == 3:  # two candidates a job
            raise KeyboardInterrupt
        return build(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tiny, "build", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            ask(tmp_path / "stopped", "concat", 1)
    assert len(ran) == 2
    again = ask(tmp_path / "stopped", "concat", 1)
    assert len(ran) == 2 + 2  # the one that was stopped, and the last
    assert [r["scores"] for r in metrics(again)["table"]] == [r["scores"] for r in metrics(folder)["table"]]


def test_compare_keeps_other_options_apart(tmp_path: Path, ran: list[tuple[str, int]]) -> None:
    (tmp_path / "other.yaml").write_text("epochs: 2\n")
    first = ask(tmp_path, "concat", 1)
    ran.clear()
    other = ask(tmp_path, "concat", 1, "--config", str(tmp_path / "other.yaml"))
    assert other != first
    assert len(ran) == 3
    assert (tmp_path / "tiny" / "latest").resolve() == other.resolve()


def test_compare_takes_nothing_from_a_comparison_of_other_data(
    tmp_path: Path, ran: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that changes between two comparisons; its name and its size stay."""
    data = tmp_path / "rows.csv"
    data.write_text("1")
    ask(tmp_path, "concat", 1, "--data", str(data))
    ran.clear()
    data.write_text("2")
    ask(tmp_path, "concat", 1, "--data", str(data))
    assert len(ran) == 3
    assert "results are those of" not in capsys.readouterr().out
    data.write_text("1")
    ask(tmp_path, "concat", 1, "--data", str(data))
    assert len(ran) == 3
    assert f"3 of 3 results are those of {datetime.now():%Y-%m-%d}" in capsys.readouterr().out


def test_compare_takes_nothing_from_a_comparison_by_other_code(
    tmp_path: Path, ran: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path, "concat", 1)
    monkeypatch.setattr("sennit.recipes.harness.run.code", lambda: {"fusion": "another"})
    ask(tmp_path, "concat", 1)
    assert len(ran) == 6


# Interruptions


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(kind: signal.Signals, tmp_path: Path) -> None:
    code = (
        # What is started in the background by a shell ignores SIGINT.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pathlib import Path; from sennit.recipes.harness import Jobs, run_jobs; "
        "from sennit.recipes.command_line import run_command; "
        "from tests.recipes.sleeper import sleep; "
        f"jobs = [{{'folder': {str(tmp_path)!r}, 'x': x}} for x in range(3)]; "
        f"done = Jobs(Path({str(tmp_path)!r}) / 'jobs.jsonl'); "
        "work = lambda: run_jobs(sleep, jobs, done, workers=2, describe=str); "
        "run_command(work, again='run it again')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        working = wait_for(lambda: sorted(int(p.name) for p in tmp_path.iterdir() if p.name.isdigit()), 2)
        process.send_signal(kind)
        _, error = process.communicate(timeout=60)
        assert process.returncode != 0
        if kind is signal.SIGINT:
            assert error.strip() == "interrupted; run it again"
        wait_for(lambda: [pid for pid in working if not alive(pid)], 2)
    finally:
        process.kill()
        process.communicate()


def wait_for(look: Any, count: int) -> list[int]:
    """What ``look`` finds, once it is this much."""
    end = time.monotonic() + 120
    while len(found := look()) < count:
        assert time.monotonic() < end, found
        time.sleep(0.2)
    return list(found)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
