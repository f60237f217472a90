"""The command: from a table to a model that somebody else can use."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.recipes.command_line import config_class, parse_options, run_command
from sennit.recipes.harness import find_recipe
from sennit.recipes.table import TableDataset, TableEnsemble, load_model, write_shards
from sennit.recipes.table.__main__ import main
from sennit.recipes.table.data.load import load_data, open_subset
from sennit.recipes.table.training.model import build_model
from sennit.recipes.table.training.scales import TargetScales, fit_inputs
from sennit.tasks import Learner, MultiTaskModel
from tests.recipes.table_files import SCHEMA, make_rows, write_csv, write_yaml
from tests.recipes.table_golden import FILE, first_losses
from tests.recipes.table_stamps import make_stamps

DATA = os.environ.get("SENNIT_DATA")
SMALL = ("--workers=0", "--batch-size=6", "--width=8", "--lr=0.01", "--separate=false")
# Of a few rows, not each set of modalities is among those of each epoch.
pytestmark = pytest.mark.filterwarnings("ignore:no training sample had just")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a table of twenty rows and its schema are, and the command runs."""
    write_csv(tmp_path / "train.csv", make_rows(tmp_path))
    write_yaml(tmp_path / "schema.yaml", SCHEMA)
    monkeypatch.chdir(tmp_path)
    # The trainings of the report have tests of their own.
    monkeypatch.setattr("sennit.recipes.table.report.beside.train_beside", lambda results: ([], []))
    return tmp_path


def run(*more: str, data: str = "train.csv") -> Path:
    return main(["fit", data, "--schema", "schema.yaml", *SMALL, *more]).resolve()


def predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_a_model_its_figures_and_what_they_come_from(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run("--epochs=15", "--separate=true")
    shown = capsys.readouterr().out
    assert {p.name for p in out.iterdir()} >= {
        "config.yaml", "schema.yaml", "metrics.json", "predictions.csv", "report.html", "model", "training",
    }  # fmt: skip
    assert (folder / "runs/table/latest").resolve() == out
    assert "12 rows to train on, 4 rows to choose the epoch by, 4 rows to test with." in shown
    assert re.search(r"Waited for data [\d.]+%", shown)
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics["test"]) == ["kind", "tags", "price"]
    assert 0 <= metrics["fitted"]["waiting"] <= 1
    assert {"python", "torch"} <= set(metrics["versions"])
    assert [line["row"] for line in predictions(out)] == ["6", "11", "16", "21"]
    # The model alone answers for raw files, in the units of the table, with any input left out.
    model = load_model(out / "model")
    assert isinstance(model, TableEnsemble)
    assert [list(net.tasks) for net in model.nets] == [
        ["kind", "tags", "price"],
        ["kind"],
        ["tags"],
        ["price"],
    ]
    answer = model.predict({"photo": str(folder / "1.png"), "voice": str(folder / "1.wav")})
    assert answer["kind"]["label"] == "bell"
    assert 1000 < answer["price"]["value"][0] < 1800


def test_the_usage_that_a_run_prints_works(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--epochs=1")
    usage = "".join(capsys.readouterr().out.partition("from sennit import TableModel")[1:])
    for ending in ("png", "wav", "npy"):
        usage = usage.replace(f"'a.{ending}'", f"'{folder}/0.{ending}'")
    code, _, last = usage.strip().rpartition("\n")
    names: dict[str, Any] = {}
    exec(code, names)
    assert set(eval(last, names)) == {"kind", "tags", "price"}


def test_the_training_rows_are_learned_by_heart(folder: Path) -> None:
    write_yaml(folder / "schema.yaml", {**SCHEMA, "split": {"by": "random", "validation": 0, "test": 0}})
    out = run("--epochs=30", "--modality-dropout=0", "--shallow=false", "--alone=false")
    schema, table = load_data("train.csv", out / "schema.yaml")
    data = open_subset(table, schema, "train")
    samples = [data[i] for i in range(len(data))]
    model = MultiTaskModel.from_pretrained(out / "model")
    answers = model.predict([sample["inputs"] for sample in samples])
    for sample, answer in zip(samples, answers, strict=True):
        assert answer["kind"]["label"] == ("bell", "dog")[sample["targets"]["kind"]]
        # Of two clusters 500 apart.
        assert answer["price"]["value"][0] == pytest.approx(sample["targets"]["price"][0], abs=120)


def test_first_losses_are_as_they_were(tmp_path: Path) -> None:
    assert first_losses(tmp_path) == pytest.approx(json.loads(FILE.read_text())["losses"], rel=1e-3)


@pytest.mark.parametrize("fusion", ["gated", "central_net", "mean_probability"])
def test_scaled_heads_say_in_units_what_they_said_in_standard_deviations(folder: Path, fusion: str) -> None:
    schema, table = load_data("train.csv", "schema.yaml")
    model = build_model(schema, fusion=fusion, width=8, modality_dropout=0.0).eval()
    train = open_subset(table, schema, "train", preprocess=model.preprocessing())
    batch = model.collate([train[i] for i in range(6)])
    scales = TargetScales.fit(schema, table)
    mean, std = scales.scales["price"]
    with torch.no_grad():
        before = {name: output.logits for name, output in model(batch).items()}
        scales.into_units(model)
        after = {name: output.logits for name, output in model(batch).items()}
    torch.testing.assert_close(after["price"], (before["price"] * std + mean).float())
    assert all(torch.equal(after[name], before[name]) for name in ("kind", "tags"))
    assert 1000 < mean < 1500


def test_a_fusion_that_is_fitted_reads_all_inputs_and_the_targets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema, table = load_data("train.csv", "schema.yaml")
    seen: list[Any] = []
    for fusion in ("gated", "early_mutual_information"):
        model = build_model(schema, fusion=fusion, width=8, modality_dropout=0.0)
        monkeypatch.setattr(model, "fit_preprocessing", seen.append)
        fit_inputs(model, schema, table, seed=0)
    plain, fitted = seen
    assert plain.unlabelled == {"kind", "tags", "price"}
    assert not plain.present["photo"].any()
    assert fitted.unlabelled == set()
    assert fitted.present["photo"].any()


# Killed and resumed


def test_a_killed_run_resumes_to_the_same_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("--epochs=4")

    def killed(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.current_epoch == 2:
            raise RuntimeError("killed")
        return step(self, batch, batch_idx)

    step = Learner.training_step
    monkeypatch.setattr(Learner, "training_step", killed)
    with pytest.raises(RuntimeError, match=r"killed"):
        run("--epochs=4")
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    resumed = main(["fit", "--resume", "runs/table/latest", "--workers=0"])
    assert resumed != whole
    assert predictions(resumed) == predictions(whole)
    assert (resumed / "model/model.safetensors").read_bytes() == (
        whole / "model/model.safetensors"
    ).read_bytes()


def test_a_run_resumes_only_with_its_own_options_and_data(folder: Path) -> None:
    out = run("--epochs=1")
    with pytest.raises(ValueError, match=r"had other options"):
        main(["fit", "--resume", str(out), "--epochs=2"])
    rows = make_rows(folder)
    for row in rows:
        row["kind"] = row["kind"].upper()
    write_csv(folder / "train.csv", rows)
    with pytest.raises(ValueError, match=r"had other data: the contents of a file have changed"):
        main(["fit", "--resume", str(out)])


# Other shapes of data


def test_bad_rows_are_counted_named_and_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "3.png").write_bytes(b"")
    (folder / "7.wav").write_bytes(b"no sound")
    out = run("--epochs=1", "--skip-bad-rows")
    assert "2 bad rows are left out (5, 9); bad_rows.csv says why." in capsys.readouterr().out
    with (out / "bad_rows.csv").open(newline="") as file:
        assert [(line["row"], line["column"]) for line in csv.DictReader(file)] == [
            ("5", "photo"),
            ("9", "voice"),
        ]


def test_shards_train_as_their_table_does(folder: Path) -> None:
    schema, table = load_data("train.csv", folder / "schema.yaml")
    for subset in table.subsets:
        write_shards(open_subset(table, schema, subset), folder / "shards" / subset, samples_per_shard=3)
    out = main(["fit", "shards/train-{000000..000003}.tar", "--epochs=2", *SMALL])
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["rows"] == {"train": 12, "validation": 4, "test": 4}
    assert sorted(line["row"] for line in predictions(out)) == sorted(["6", "11", "16", "21"])


def test_a_folder_for_each_class_trains_without_a_schema(folder: Path) -> None:
    for i, row in enumerate(make_rows(folder)):
        place = folder / "classes" / row["kind"]
        place.mkdir(parents=True, exist_ok=True)
        (folder / row["photo"]).rename(place / f"{i}.png")
    out = main(["fit", "classes", "--epochs=1", *SMALL])
    assert [line["class"] in ("dog", "bell") for line in predictions(out)] == [True, True]


def test_without_validation_rows_the_last_epoch_is_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_yaml(folder / "schema.yaml", {**SCHEMA, "split": {"by": "random", "validation": 0, "test": 0}})
    out = run("--epochs=1")
    assert "the last epoch is kept" in capsys.readouterr().out
    assert json.loads((out / "metrics.json").read_text())["test"] is None
    assert not (out / "predictions.csv").exists()


# The command line


def test_a_schema_is_guessed_written_once_and_trains(folder: Path) -> None:
    (folder / "schema.yaml").unlink()
    main(["guess", "train.csv", "--out", "schema.yaml", "--target", "kind"])
    with pytest.raises(FileExistsError):
        main(["guess", "train.csv", "--out", "schema.yaml", "--target", "kind"])
    assert not (folder / "runs").exists()
    assert (run("--epochs=1") / "model").is_dir()


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"one column should be the target"):
        main(["fit", "train.csv"])
    with pytest.raises(SystemExit):
        main([])
    with pytest.raises(ValueError, match=r"unknown fusion 'gatd'"):
        run("--fusion=gatd")
    assert not (folder / "runs").exists() or not list((folder / "runs/table").glob("*/model"))


def test_a_fault_in_a_worker_is_one_line(folder: Path) -> None:
    image = folder / "1.png"
    image.write_bytes(image.read_bytes()[:400])  # its header is whole
    with pytest.raises(SystemExit) as ended:  # with a text: Python prints it, and gives 1
        run_command(lambda: run("--epochs=1", "--workers=1"), again="")
    says = str(ended.value.code)
    assert re.match(
        r"error: 'train.csv', row 3, column 'photo' names '1.png': '1.png' cannot be read as", says
    ), says
    assert "\n" not in says


# As a recipe of the harness


@pytest.mark.filterwarnings("ignore:no training sample had just")  # two epochs of a few rows
def test_fusions_and_single_inputs_are_compared_on_the_table(folder: Path) -> None:
    recipe = find_recipe("table")
    given = ["--data=train.csv", "--schema=schema.yaml", "--epochs=2", "--batch_size=6", "--width=8"]
    config, _ = parse_options(
        config_class("table"), [*given, '--fusions=["gated"]', "--seeds=1", "--workers=0"], prog="compare"
    )
    cells = {cell["row"]: cell for cell in recipe.jobs(config)}
    assert list(cells) == ["gated", *SCHEMA["inputs"]]
    for row in ("gated", "caption"):
        result = recipe.run_job(config, folder / "cells", cells[row])
        assert set(result["tasks"]) == {"kind", "price"}
        assert 0 <= result["tasks"]["kind"]["score"] <= 1


def test_a_single_input_is_trained_once_by_whichever_fusion(folder: Path) -> None:
    schema = {**SCHEMA, "inputs": {"voice": SCHEMA["inputs"]["voice"]}}
    write_yaml(folder / "schema.yaml", schema)
    given = ["--data=train.csv", "--schema=schema.yaml", '--fusions=["concat", "gated"]', "--seeds=2"]
    config, _ = parse_options(config_class("table"), given, prog="compare")
    assert [(job["row"], job["seed"]) for job in find_recipe("table").jobs(config)] == [
        ("gated", 0),
        ("gated", 1),
    ]


def test_the_splits_of_the_harness_hold_only_rows_that_have_the_input(folder: Path) -> None:
    recipe = find_recipe("table")
    config, _ = parse_options(
        config_class("table"), ["--data=train.csv", "--schema=schema.yaml"], prog="compare"
    )
    splits = recipe.data(config, ("caption",), 0)
    assert len(splits.train) == len([i for i in range(20) if i % 5 in (1, 2)])
    assert isinstance(splits.train.data, TableDataset)


@pytest.mark.real_data
@pytest.mark.skipif(DATA is None, reason="SENNIT_DATA is not set")
def test_pictures_sounds_and_texts_beat_the_commonest_class(tmp_path: Path) -> None:
    make_stamps(Path(str(DATA)) / "tuxpaint_stamps", tmp_path, ("animals", "symbols"))
    data, schema = str(tmp_path / "train.csv"), tmp_path / "schema.yaml"
    main(["guess", data, "--out", str(schema)])
    given = ["fit", data, "--schema", str(schema), f"--output={tmp_path / 'runs'}"]
    out = main([*given, "--epochs=3", "--batch-size=16", "--width=32", "--workers=0"])
    metrics = json.loads((out / "metrics.json").read_text())
    assert (
        metrics["test"]["category"]["accuracy"] > metrics["without_any_input"]["category"]["accuracy"] + 0.1
    )
