"""Whole searches over a recipe, from the command line to the report."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.fusion.cell.genome import Genome
from sennit.recipes.harness import find_recipe
from sennit.recipes.search.__main__ import main
from sennit.recipes.search.compared import Compared
from sennit.recipes.search.options import read_options
from sennit.tasks import MultiTaskModel
from tests.recipes.synthetic import write_mosi
from tests.recipes.tiny import Config, Tiny

ROOT = Path(__file__).parents[3]
SMALL = ["--generations", "2", "--population", "4", "--candidate_epochs", "1", "--workers", "0"]
SMALL += ["--epochs", "1", "--seeds", "1"]


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


def test_the_table_has_each_modality_each_fusion_and_both_searches(run: Path) -> None:
    rows = {(row["name"], row["stage"]) for row in metrics(run)["table"]}
    assert rows == {
        *((m, "single") for m in ("text", "audio", "video")),
        ("concat", "late"),
        ("gated", "late"),
        ("genetic search", "search"),
        ("random search", "search"),
    }


def test_searches_have_equal_budgets_and_their_own_best(run: Path) -> None:
    winners = metrics(run)["winners"]
    assert set(winners) == {"genetic search", "random search"}
    for row in winners.values():
        assert Genome.from_dict(row["genome"]).modalities == ("text", "audio", "video")
        assert 0 <= row["errors"]["sentiment"] <= 1
    assert set(metrics(run)["validation"]) >= {"concat", "gated", *winners}


def test_the_found_model_is_kept_with_its_genome(run: Path) -> None:
    model = MultiTaskModel.from_pretrained(run / "checkpoints" / "genetic search-test")
    expected = metrics(run)["winners"]["genetic search"]["genome"]
    assert Genome.from_dict(model.fused_encoder.fusion.config["genome"]) == Genome.from_dict(expected)
    sizes = {"text": 100, "audio": 73, "video": 100}
    outputs = model({m: torch.randn(3, size) for m, size in sizes.items()})
    assert outputs["sentiment"].logits.shape == (3, 2)


def test_the_page_has_the_tests_and_the_search(run: Path) -> None:
    text = (run / "report.html").read_text()
    for part in ("On the test data", "genetic search", "random search", "data:image/png", "<svg", "seconds"):
        assert part in text, part
    assert len(list(run.glob("*.png"))) >= 3


def test_steps_are_timed(run: Path) -> None:
    seconds = metrics(run)["seconds"]
    assert list(seconds)[:2] == ["Each modality alone", "Frozen taps"]
    assert all(value > 0 for value in seconds.values())


# Resuming


def test_a_finished_run_that_is_resumed_trains_nothing(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = metrics(run)

    def trained(*_: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(Compared, "run_job", trained)
    assert main(arguments(data, run.parents[1], "--resume", str(run))) == run
    after = metrics(run)
    assert [r["scores"] for r in after["table"]] == [r["scores"] for r in before["table"]]
    assert after["winners"] == before["winners"]


def test_another_search_does_not_pay_for_the_fusions_picked_by_hand_again(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, plain = [], Compared.run_job

    def logged(self: Compared, config: Any, folder: Any, cell: Mapping[str, Any]) -> dict[str, Any]:
        rows.append(cell["row"])
        return plain(self, config, folder, cell)

    monkeypatch.setattr(Compared, "run_job", logged)
    main(arguments(data, run.parents[1], "--search_seed", "1"))
    assert sorted(rows) == ["genetic search", "random search"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_search_ends_as_one_never_killed(run: Path, data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sennit.recipes.search", *arguments(data, tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            end = time.monotonic() + 120
            while not list(tmp_path.glob("mosi/*/search/study.db")):
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < end
                time.sleep(0.02)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    folder = main(arguments(data, tmp_path, "--resume", str(tmp_path / "mosi" / "latest")))
    assert metrics(folder)["winners"] == metrics(run)["winners"]
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
    assert "generations: 20" in text
    assert "workers" not in text


def test_a_found_row_differs_from_the_recipes_own_by_the_fusion_alone() -> None:
    recipe = find_recipe("htad")
    _, config, _ = read_options(["--recipe", "htad"])
    names: Sequence[str] = ("audio", "accelerometer")
    genome = Genome.from_dict(
        {
            "modalities": names,
            "cells": [{"inputs": [["audio", "block1"], ["accelerometer", "pooled"]], "operator": "gated"}],
            "width": 16,
        }
    )
    compared = Compared(recipe, {"genetic search": genome})
    models = []
    for fusion in ("genetic search", "concat"):
        torch.manual_seed(0)
        models.append(compared.build(config, names, fusion))
    ours, theirs = models
    assert {**ours.config, "fusion": None} == {**theirs.config, "fusion": None}
    assert compared.stage(config, "genetic search") == "search"
    for m, encoder in theirs.fused_encoder.leaves().items():
        for key, value in ours.fused_encoder.leaves()[m].state_dict().items():
            assert torch.equal(value, encoder.state_dict()[key])


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
    assert scores["genetic search"] > 0.68
