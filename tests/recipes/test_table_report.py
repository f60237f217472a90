"""The report of a run on a small table of real files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sennit.html_page import Text
from sennit.recipes.table.__main__ import main
from sennit.recipes.table.budget import Budget
from sennit.recipes.table.config import Config
from sennit.recipes.table.data.load import load_data
from sennit.recipes.table.fitting import fit_rows
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.advice import beside, no_better
from sennit.recipes.table.report.alone import train_beside
from sennit.recipes.table.report.beside import beside_part
from sennit.recipes.table.report.intervals import Interval, Scored
from sennit.recipes.table.report.peers import peer_answers
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.training.model import make_tasks
from tests.recipes.table_files import SCHEMA, make_rows, write_csv, write_yaml

SMALL = ("--workers=0", "--batch-size=12", "--width=8", "--lr=0.01", "--epochs=3", "--preset=fast")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a table of eighty rows is, with its schema and one of a single input."""
    folder = tmp_path_factory.mktemp("table")
    write_csv(folder / "train.csv", make_rows(folder, 80))
    schema = {**SCHEMA, "split": {"by": "group", "column": "speaker", "validation": 0.2, "test": 0.3}}
    write_yaml(folder / "schema.yaml", schema)
    one = {"inputs": {"voice": SCHEMA["inputs"]["voice"]}, "targets": {"kind": SCHEMA["targets"]["kind"]}}
    write_yaml(folder / "one.yaml", {**one, "split": {"by": "random", "validation": 0.2, "test": 0.2}})
    write_yaml(folder / "no_test.yaml", {**one, "split": {"by": "random", "validation": 0.2, "test": 0}})
    return folder


def run(folder: Path, schema: str) -> tuple[str, dict[str, Any], str]:
    """Return the page, the figures and the run folder."""
    out = main(
        [
            "fit",
            str(folder / "train.csv"),
            f"--schema={folder / schema}",
            f"--output={folder / 'runs'}",
            *SMALL,
        ]
    )
    return (out / "report.html").read_text(), json.loads((out / "metrics.json").read_text()), str(out)


def headings(page: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", page)


def test_every_part_is_on_the_page_and_in_the_figures(folder: Path) -> None:
    page, figures, out = run(folder, "schema.yaml")
    assert headings(page) == [
        "Scores of the test rows",
        "What follows",
        "Answers for new rows",
        "Answers for kind",
        "Answers for tags",
        "Answers for price",
        "Each input alone",
        "Which input matters",
        "Which column matters",
        "Rows to look at",
        "Reading the files",
        "Training",
        "Data",
        "Settings",
        "Model",
    ]
    assert f"sennit table predict --model {out}/model new.csv" in page
    assert set(figures["beside"]) == {"tree", "linear"}
    assert figures["beside"]["tree"]["kind"]["accuracy"] > 0.9  # the colour gives it away
    assert figures["intervals"]["drawn"] == "6 different 'speaker'"
    interval = figures["intervals"]["price"]
    assert interval["metric"] == "r2"
    assert interval["score"]["low"] <= figures["test"]["price"]["r2"] <= interval["score"]["high"]
    gain = figures["test"]["price"]["r2"] - figures["beside"]["linear"]["price"]["r2"]
    assert interval["gains"]["linear"]["value"] == pytest.approx(gain)
    assert list(figures["modalities"]["kind"]) == list(SCHEMA["inputs"])
    assert sum(m["share"] for m in figures["modalities"]["kind"].values()) == pytest.approx(1, abs=0.01)
    assert {"width", "colour", "photo"} <= set(figures["columns"]["price"])
    assert figures["training"]["kept_epoch"] in (1, 2, 3)
    assert {"row", "photo", "answer"} <= set(figures["rows_to_look_at"]["kind"][0])
    assert "fusion" in figures["settings"]["default"]
    assert "lr" in figures["settings"]["given"]
    assert figures["advice"]


def test_a_single_input_and_no_test_rows_are_told(folder: Path) -> None:
    page, figures, _ = run(folder, "one.yaml")
    assert "The model reads one input, voice: there is none to leave out." in page
    assert "neither can read an input of audio" in page
    assert figures["beside"] == {}
    page, figures, _ = run(folder, "no_test.yaml")
    assert "The split leaves no test rows" in page
    assert figures["test"] is None
    assert figures["advice"] == [
        "Keep some rows for a test: nothing tells how good the answers for new rows are."
    ]


def test_tree_and_linear_model_learn_what_they_can_read(folder: Path) -> None:
    schema, rows = load_data(str(folder / "train.csv"), folder / "schema.yaml")
    tasks = make_tasks(schema)
    outputs, notes = peer_answers(schema, rows, tasks)  # type: ignore[arg-type]
    assert notes == ["Tree and linear model read caption, measures, not photo, voice, motion."]
    column = schema.targets["price"].read(rows)  # type: ignore[arg-type]
    true = np.array([column[i][0] for i in rows.subsets["test"]])  # type: ignore[index]
    for peer in ("tree", "linear"):
        error = np.abs(outputs[peer]["price"].numpy()[:, 0] - true).mean()
        assert error < 60, peer  # of two clusters 500 apart
        assert outputs[peer]["tags"].shape == (len(true), 2)


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        (
            Interval(0.1, 0.05, 0.2),
            "this model is better than the boosted tree, by 0.100 [0.050, 0.200] in f1.",
        ),
        (
            Interval(-0.2, -0.3, -0.1),
            "the boosted tree is better than this model, by 0.200 [0.100, 0.300] in f1: "
            "try a larger --preset.",
        ),
        (
            Interval(0.01, -0.1, 0.1),
            "the boosted tree is as good; the difference is 0.010 [-0.100, 0.100] in f1.",
        ),
    ],
)
def test_advice_follows_from_the_better_of_tree_and_linear_model(gain: Interval, sentence: str) -> None:
    gains = {"linear": Interval(0.3, 0.2, 0.4), "tree": gain}
    scored = Scored("f1", Interval(0.5, 0.4, 0.6), gains)
    assert list(beside("y", scored)) == [f"y: {sentence}"]


def test_each_input_is_trained_alone_on_the_rows_that_have_it(folder: Path, tmp_path: Path) -> None:
    chosen = {name: SCHEMA["inputs"][name] for name in ("caption", "measures")}
    raw = {"inputs": chosen, "targets": {"kind": SCHEMA["targets"]["kind"]}, "split": SCHEMA["split"]}
    write_yaml(tmp_path / "two.yaml", raw)
    schema, rows = load_data(str(folder / "train.csv"), tmp_path / "two.yaml")
    assert isinstance(rows, Rows)
    config = Config(data="train.csv", epochs=8, batch_size=12, width=8, lr=0.02, workers=0)
    fitted = fit_rows(config, schema, rows, tmp_path / "training", Budget(None), say=lambda text: None)
    results = Results(
        folder=tmp_path,
        config=config,
        schema=schema,
        rows=rows,
        model=fitted.trained.model,
        record=replace(fitted.record, seconds=100),
        test=fitted.test,
        seconds=None,
    )
    trained, notes = train_beside(results)
    assert not notes
    # Both have nets in the model, which are not trained again.
    assert [t.name for t in trained] == ["caption alone", "measures alone", "all, concatenated"]
    captions, blank = trained[0].answers["kind"], rows.blank("caption")
    assert captions.readable.tolist() == [not blank[i] for i in rows.subsets["test"]]
    measures = beside_part(replace(results, seconds=0)).blocks
    assert measures[-1] == Text("No input is trained alone with this preset; --preset medium does.")
    none_left, notes = train_beside(replace(results, seconds=1))
    assert [t.name for t in none_left] == ["caption alone", "measures alone"]
    assert notes == ["Not trained, as there is no time left: all, concatenated."]


def test_advice_names_a_target_that_is_answered_no_better_than_without_any_input() -> None:
    assert list(no_better("price", "mae", {"mae": 2.5}, {"mae": 2.0}, -1)) == [
        "price: no better than without any input: 2.5 in mae, and 2 without."
    ]
    assert not list(no_better("price", "mae", {"mae": 1.5}, {"mae": 2.0}, -1))
    assert not list(no_better("price", "r2", {"r2": None}, {"r2": 0.0}, 1))
