"""Whole searches over a recipe, from the command line to the report."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.recipes.search.__main__ import main
from sennit.recipes.search.compared import Compared
from sennit.recipes.search.gains import paired
from sennit.recipes.search.options import read_options
from sennit.recipes.search.report import verdict_of
from sennit.recipes.search.seed import SeedSearch, against, judged_task
from sennit.tasks import MultiTaskModel
from tests.recipes.synthetic import write_mosi
from tests.recipes.tiny import Config, Tiny

ROOT = Path(__file__).parents[3]
SMALL = ["--generations", "2", "--population", "4", "--candidate_epochs", "1", "--workers", "0"]
SMALL += ["--epochs", "1", "--seeds", "2", "--finalists", "1", "--final_epochs", "1"]


class One(Tiny):
    def modalities(self, config: Config) -> tuple[str, ...]:
        return ("a",)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mosi(tmp_path_factory.mktemp("mosi"))


def arguments(data: Path, output: Path, *more: str) -> list[str]:
    own = ["--recipe", "mosi", "--data", str(data), "--output", str(output), "--width", "8"]
    return [*own, "--fusions", "[concat,gated]", "--dropouts", "[0.2]", *SMALL, *more]


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return main(arguments(data, tmp_path_factory.mktemp("runs")))


def metrics(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return values


# The whole


def test_the_table_has_each_row_from_scratch_and_from_the_same_start(run: Path) -> None:
    rows = {(row["name"], row["stage"]) for row in metrics(run)["table"]}
    assert rows == {
        *((m, "single") for m in ("text", "audio", "video")),
        *((f"{name}{start}", "late") for name in ("concat", "gated") for start in ("", ", same start")),
        *((name, "search") for name in ("found", "best found", "random search")),
    }
    assert all(len(row["scores"]) == 2 for row in metrics(run)["table"])


def test_what_was_found_is_compared_seed_by_seed(run: Path) -> None:
    """The figures of the comparison are those of the table, and the rows are what the finals chose."""
    values = metrics(run)
    scores = {row["name"]: row["scores"] for row in values["table"]}
    names = [entry["against_name"] for entry in values["comparison"]]
    assert {"concat, same start", "concat", "random search"} <= set(names)
    for entry in values["comparison"]:
        theirs = scores[entry["against_name"]]
        gain = [a - b for a, b in zip(scores["found"], theirs, strict=True)]
        assert entry["difference"] == pytest.approx(sum(gain) / 2)
        assert entry["interval"][0] <= entry["difference"] <= entry["interval"][1]
        assert (entry["data"], entry["metric"], entry["seeds"]) == ("mosi", "sentiment accuracy", [0, 1])
    for k, final in enumerate(values["finals"]):
        chosen = next(row for row in final["regularised_evolution"]["rows"] if row["chosen"])
        row = f"{chosen['name']}, same start" if chosen["kind"] == "by hand" else "best found"
        assert scores["found"][k] == scores[row][k]
        assert {r["name"] for r in final["random"]["rows"]} >= {"concat", "gated", "found 1"}
    start = [a - b for a, b in zip(scores["concat, same start"], scores["concat"], strict=True)]
    assert values["gains"]["start"]["mean"] == pytest.approx(sum(start) / 2)
    assert set(values["gains"]) == {"start", "auxiliary losses", "structure"}
    assert "Over 2 seeds the final round chose" in values["verdict"]
    found = next(row for row in values["table"] if row["name"] == "found")
    assert values["optimism"] == pytest.approx(values["validation"]["found"] - found["mean"])


def test_each_seed_has_encoders_and_searches_of_its_own(run: Path) -> None:
    assert {p.name for p in (run / "search").iterdir()} == {"seed-0", "seed-1"}
    trained = run.parent / "trained"
    kept = {p.parts[-4] for p in trained.glob("*/seed-*/checkpoints/text-test/config.json")}
    assert kept == {"seed-0", "seed-1"}


def test_the_chosen_model_is_kept(run: Path) -> None:
    for seed in (0, 1):
        model = MultiTaskModel.from_pretrained(run / "checkpoints" / f"found-seed-{seed}")
        sizes = {"text": 100, "audio": 73, "video": 100}
        outputs = model({m: torch.randn(3, size) for m, size in sizes.items()})
        assert outputs["sentiment"].logits.shape == (3, 2)


def test_the_page_has_the_tests_and_the_search(run: Path) -> None:
    text = (run / "report.html").read_text()
    for part in (
        "On the test data",
        "same start",
        "random search",
        "What gave how much",
        "data:image/png",
        "<svg",
    ):
        assert part in text, part
    assert len(list(run.glob("*.png"))) >= 3


def test_steps_are_timed(run: Path) -> None:
    seconds = metrics(run)["seconds"]
    assert list(seconds)[:2] == ["Each modality alone", "Searches and final rounds"]
    assert all(value > 0 for value in seconds.values())


# Resuming


def test_a_finished_run_that_is_resumed_trains_nothing(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = metrics(run)

    def trained(*_: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(Compared, "run_job", trained)
    monkeypatch.setattr(SeedSearch, "__call__", trained)
    assert main(arguments(data, run.parents[1], "--resume", str(run))) == run
    after = metrics(run)
    assert [r["scores"] for r in after["table"]] == [r["scores"] for r in before["table"]]
    assert after["finals"] == before["finals"]


def test_another_search_does_not_pay_for_the_fusions_picked_by_hand_again(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, plain = [], Compared.run_job

    def logged(self: Compared, config: Any, folder: Any, cell: Mapping[str, Any]) -> dict[str, Any]:
        rows.append(cell["row"])
        return plain(self, config, folder, cell)

    monkeypatch.setattr(Compared, "run_job", logged)
    main(arguments(data, run.parents[1], "--search_seed", "1"))
    assert not rows


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_search_ends_as_one_never_killed(run: Path, data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sennit.recipes.search", *arguments(data, tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            end = time.monotonic() + 120
            while not list(tmp_path.glob("mosi/*/search/seed-0/study.db")):
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < end
                time.sleep(0.02)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    folder = main(arguments(data, tmp_path, "--resume", str(tmp_path / "mosi" / "latest")))
    assert metrics(folder)["verdict"] == metrics(run)["verdict"]
    scores = [[(r["name"], r["scores"]) for r in metrics(f)["table"]] for f in (folder, run)]
    assert scores[0] == scores[1]


# Wrong input


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--recipe", "mozi"], r"unknown recipe 'mozi'. Did you mean 'mosi'\?"),
        (["--recipe", "htad", "--population", "0"], "--population should be 1 or more. Found 0"),
        (["--recipe", "htad", "--workers", "-1"], "--workers should be 0 or more. Found -1"),
        (
            ["--recipe", "htad", "--strategy", "genetics"],
            r"unknown strategy 'genetics'. Did you mean 'genetic'",
        ),
        (["--recipe", "htad", "--fusions", "[gatd]"], r"unknown fusion 'gatd'. Did you mean 'gated'"),
    ],
)
def test_wrong_options_are_refused_by_name(
    given: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((ValueError, SystemExit)) as refused:
        main([*given, "--output", str(tmp_path / "runs")])
    assert re.search(message, f"{refused.value}{capsys.readouterr().err}")
    assert not (tmp_path / "runs").exists()


def test_a_recipe_of_one_modality_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sennit.recipes.search.run.find_recipe", lambda _: One())
    monkeypatch.setattr("sennit.recipes.command_line.with_recipe.config_class", lambda _: Config)
    with pytest.raises(ValueError, match=r"two modalities or more. Found \['a'\]"):
        main(["--recipe", "tiny", "--output", str(tmp_path)])


def test_missing_data_are_named_before_there_is_a_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"mosi_utterance.npz, or the folder that holds it"):
        main(["--recipe", "mosi", "--data", str(tmp_path / "none"), "--output", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()


def test_resuming_under_other_options_is_refused(run: Path, data: Path) -> None:
    with pytest.raises(ValueError, match="had other options"):
        main(arguments(data, run.parents[1], "--resume", str(run), "--search_seed", "3"))


# Parts


def test_options_of_the_recipe_pass_through_above_its_defaults() -> None:
    options, config, text = read_options(["--recipe", "htad", "--epochs", "7", "--workers", "1"])
    assert (config.epochs, config.workers, config.seeds) == (7, 1, 3)
    assert options.workers == 1
    assert "generations: 5" in text  # of the recipe's search.yaml
    assert "workers" not in text


def test_figures_are_paired_over_seeds() -> None:
    difference = paired([0.9, 0.8, 0.7], [0.8, 0.8, 0.6])
    gains = [0.1, 0.0, 0.1]
    half = 4.302652729911275 * np.std(gains, ddof=1) / np.sqrt(3)
    assert difference.mean == pytest.approx(np.mean(gains))
    assert difference.interval == pytest.approx((np.mean(gains) - half, np.mean(gains) + half))
    assert paired([0.9], [0.8]).text == "+0.100, of one seed"


def test_the_verdict_says_when_the_plain_fusion_is_as_good() -> None:
    def final(chosen: str) -> dict[str, Any]:
        rows = [("concat", "by hand"), ("gated", "by hand"), ("found 1", "found")]
        return {"rows": [{"name": n, "kind": k, "chosen": n == chosen} for n, k in rows]}

    tie, gain = paired([0.5, 0.6], [0.6, 0.5]), paired([0.8, 0.9], [0.6, 0.7])
    words = verdict_of([final("concat"), final("concat")], tie, "concat", 0.01)
    assert "The plain fusion is as good: concat was kept." in words
    assert "the recipe's own fusions are as good" in words
    words = verdict_of([final("found 1"), final("gated")], gain, "concat", 0.01)
    assert "the structure that was found is better" in words
    assert "as good" not in words


def test_fusions_that_cannot_start_with_encoders_are_not_in_the_final() -> None:
    assert against(["early_concat", "central_net", "early_pca"]) == ("concat", "central_net")
    assert judged_task("val/digit/accuracy", {"speaker": "accuracy", "digit": "accuracy"}) == "digit"
    assert judged_task(None, {"activity": "accuracy", "motion": "r2"}) == "activity"


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_a_small_search_of_mosi_finds_what_the_text_tells(tmp_path: Path) -> None:
    more = [
        "--recipe",
        "mosi",
        "--data",
        os.environ["SENNIT_DATA"],
        "--output",
        str(tmp_path),
        "--seeds",
        "1",
    ]
    more += ["--generations", "2", "--population", "4", "--workers", "0", "--fusions", "[concat]"]
    folder = main([*more, "--dropouts", "[0.2]"])
    scores = {r["name"]: r["mean"] for r in metrics(folder)["table"]}
    assert scores["found"] > 0.68
