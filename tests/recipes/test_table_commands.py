"""`sennit table fit`, `guess` and `predict` on a table of one's own."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from sennit.recipes.command_line import run_command
from sennit.recipes.table.__main__ import main
from sennit.recipes.table.data.load import load_data
from sennit.recipes.table.trained import TrainedTable

FAST = ("--preset=fast", "--width=16", "--workers=0")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of 120 stays: an id, a number, a category and a text, blanks among them."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    age, ward = rng.normal(60, 15, 120), rng.choice(["a", "b", "c"], 120)
    died = (age + 20 * (ward == "b") > 75).astype(int)
    columns = {
        "StayID": rng.permutation(120) + 1000,
        "age": [None if x < 0.1 else a for x, a in zip(rng.random(120), age, strict=True)],
        "ward": ward,
        "note": [f"{'was very ill' if d else 'felt quite well'}, day {k % 41}" for k, d in enumerate(died)],
        "died": died,
        "los_days": np.round(age / 10 + 3 * died + rng.normal(size=120) * 0.2, 2),
    }
    pl.DataFrame(columns, strict=False).write_csv(folder / "train.csv")
    return folder / "train.csv"


@pytest.fixture(scope="module")
def run(table: Path) -> Path:
    output = table.parent / "runs"
    given = ["fit", str(table), "--target", "died, los_days", *FAST, "--epochs=3", "--batch_size=16"]
    return main([*given, f"--output={output}"])


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_command_guesses_trains_and_reports(run: Path, table: Path) -> None:
    schema, _ = load_data(str(table), run / "guess.yaml")
    assert schema.input_columns == ["note", "age", "ward"]
    assert list(schema.targets) == ["died", "los_days"]
    assert schema.id == "StayID"
    assert "#   died: 2 classes" in (run / "guess.yaml").read_text()
    assert {p.name for p in run.iterdir()} >= {"report.html", "metrics.json", "model", "schema.yaml"}
    assert json.loads((run / "model" / "decisions.json").read_text())["died"].keys() == {
        "temperature", "thresholds", "reason", "ordered",
    }  # fmt: skip


def test_new_rows_are_answered_whatever_their_order_and_further_columns(run: Path, table: Path) -> None:
    frame = pl.read_csv(table).drop("died", "los_days")
    changed = frame.with_columns(ward=pl.when(pl.col("StayID") == 1003).then(pl.lit("new")).otherwise("ward"))
    changed.select(pl.lit(1).alias("extra"), *reversed(frame.columns)).write_csv(table.parent / "new.csv")
    out = table.parent / "answers.csv"
    main(["predict", "--model", str(run), str(table.parent / "new.csv"), "--out", str(out)])
    lines = read(out)
    assert list(lines[0]) == [
        "row", "StayID", "died", "died_probability", "died_p_0", "died_p_1", "los_days",
    ]  # fmt: skip
    assert [line["StayID"] for line in lines] == [str(i) for i in frame["StayID"]]
    trained = TrainedTable.load(run)
    threshold = trained.decisions["died"].thresholds[0]
    for line in lines:
        p = float(line["died_p_1"])
        assert float(line["died_p_0"]) + p == pytest.approx(1, abs=2e-6)
        assert line["died"] == str(int(p > threshold))
        assert line["died_probability"] == line[f"died_p_{line['died']}"]
    answers = trained.predict(trained.rows(table))
    same = [k for k, line in enumerate(lines) if line["StayID"] != "1003"]
    expected = [answers[k]["los_days"]["value"][0] for k in same]
    assert [float(lines[k]["los_days"]) for k in same] == pytest.approx(expected, rel=1e-5)


def test_an_id_is_named_by_an_option(run: Path, table: Path) -> None:
    out = table.parent / "named.csv"
    main(["predict", "--model", str(run), str(table), "--out", str(out), "--id", "note"])
    assert list(read(out)[0])[:2] == ["row", "note"]


def test_the_time_limit_is_for_the_whole_command(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = time.monotonic()
    given = ["fit", str(table), "--target", "died", "--time_limit=6s", "--workers=0"]
    out = main([*given, "--epochs=100000", f"--output={table.parent / 'limited'}"])
    assert "The training stops after" in capsys.readouterr().out
    assert (out / "report.html").is_file()
    assert time.monotonic() - start < 60  # of a busy machine; without the limit it takes hours


def test_options_stand_above_the_preset_and_a_file_between(table: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"preset: fast\nlr: 0.5\nwidth: 24\ndata: {table}\n")
    from sennit.recipes.table.commands import read_options
    from sennit.recipes.table.config import Config
    from sennit.recipes.table.presets import PRESETS

    options, text = read_options("fit", [f"--config={tmp_path / 'c.yaml'}", "--width", "12"])
    assert isinstance(options, Config)
    assert (options.epochs, options.lr, options.width) == (PRESETS["fast"]["epochs"], 0.5, 12)
    assert options.data == str(table)
    assert "time_limit" not in yaml.safe_load(text)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fit", "`fit` should be given a .csv, a .parquet, a folder with a folder for each class, or shards"),
        ("fit TABLE --target dyed", "unknown column 'dyed'. Did you mean 'died'?"),
        ("fit nowhere.csv --target died", "no file or folder 'nowhere.csv'"),
        ("fit TABLE --target died --preset quick", "unknown preset 'quick'. Known: best, fast, medium."),
        ("fit TABLE --target died --time_limit soon", "--time_limit should be a duration such as 90s"),
        ("fit TABLE --target died --epochs many", "--epochs should be a whole number. Found 'many'."),
        ("fit TABLE --tagret died", "unknown option '--tagret'. Did you mean '--target'"),
        ("fit TABLE --target died --schema s.yaml", "--schema declares the targets already."),
        ("fit TABLE --target died --id nr", "lacks a column that --id reads: unknown column 'nr'."),
        ("fit shards/train-0.tar --target died", "--target and --id are for a table. Shards have a schema"),
        ("fit --resume nowhere", "no run to resume in 'nowhere'"),
        ("guess", "`guess` should be given a .csv, a .parquet or a folder"),
        ("guess TABLE", "one column should be the target."),
        ("guess TABLE --target died --out TABLE", "exists already, and may have been edited."),
        ("predict", "`predict` should be given a .csv or a .parquet of new rows"),
        ("predict TABLE --model nowhere", "no model in 'nowhere': it should hold config.json"),
        ("predict nowhere.csv --model RUN", "no file or folder 'nowhere.csv'"),
        ("predict TABLE --model RUN --id nr", "lacks a column that --id reads: unknown column 'nr'."),
        ("predict TABLE --model RUN --batch_size 0", "--batch_size should be 1 or more. Found 0."),
        ("predcit TABLE", "unknown command 'predcit'. Did you mean 'predict'?"),
        ("--data TABLE", "unknown command '--data'."),
    ],
)
def test_a_wrong_input_ends_in_one_line(
    command: str, message: str, table: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(table) if x == "TABLE" else str(run) if x == "RUN" else x for x in command.split()]
    given += [f"--output={table.parent / 'none'}"] if given[0] == "fit" and "--resume" not in given else []
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: main(given), again="")
    shown = capsys.readouterr().err if ended.value.code == 2 else str(ended.value.code)
    assert message in shown
    assert shown.startswith("error: ")
    assert "\n" not in shown.strip()
    assert not (table.parent / "none").exists() or not list((table.parent / "none").glob("*/model"))


def test_a_row_without_any_input_is_named_or_left_out(
    run: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, out = table.parent / "blank.csv", table.parent / "left.csv"
    pl.DataFrame({"StayID": [1, 2], "age": [50, None], "ward": ["a", None], "note": [None, None]}).write_csv(
        new
    )
    given = ["predict", str(new), "--model", str(run), "--out", str(out)]
    with pytest.raises(ValueError, match=r"row 3 should have some input.*out with --skip_bad_rows"):
        main(given)
    main([*given, "--skip_bad_rows"])
    assert "1 rows are left out, such as: 'blank.csv', row 3" in capsys.readouterr().err
    assert [line["StayID"] for line in read(out)] == ["1"]


def test_a_column_that_is_missing_in_new_rows_is_named(run: Path, table: Path) -> None:
    pl.read_csv(table).drop("note").write_csv(table.parent / "less.csv")
    with pytest.raises(ValueError, match=r"lacks a column that inputs.note reads: unknown column 'note'"):
        main(["predict", "--model", str(run), str(table.parent / "less.csv")])
