"""What a stranger gives `sennit table` by mistake: refused in one line, before there is a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from sennit.recipes.command_line import run_command
from sennit.recipes.table import TableModel
from sennit.recipes.table.__main__ import main
from sennit.recipes.table.data.load import split_rows
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.report.tree import _components
from sennit.recipes.table.schema.guess import guess_schema
from sennit.recipes.table.schema.schema import Schema, read_schema
from sennit.recipes.table.training.model import make_encoders

SCHEMA: dict[str, Any] = {
    "inputs": {"t": {"kind": "table", "numbers": ["age"]}},
    "targets": {"died": {"kind": "class", "column": "died"}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder, with a table of 40 rows in it."""
    monkeypatch.chdir(tmp_path)
    age = [float(k) + 20.5 for k in range(40)]
    pl.DataFrame({"age": age, "ward": ["a", "b"] * 20, "died": ["yes", "no"] * 20}).write_csv("t.csv")
    return tmp_path


def refusal(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that a command ends with."""
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: main(command.split()), again="")
    line = capsys.readouterr().err if ended.value.code == 2 else str(ended.value.code)
    assert line.startswith("error: ")
    assert "\n" not in line.strip()
    return line


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--lr=-1", "--lr should be more than 0. Found -1.0."),
        ("--weight_decay=-1", "--weight_decay should be 0 or more. Found -1.0."),
        ("--workers=-1", "--workers should be 0 or more. Found -1."),
        ("--seed=-1", "--seed should be from 0 to 4294967295. Found -1."),
        ("--modality_dropout=1", "--modality_dropout should be from 0 to less than 1. Found 1.0."),
        ("--precision=8-bit", "unknown value of --precision '8-bit'. Known: 16-mixed, 32-true, bf16-mixed."),
        ("--target=died,", "the targets should be names, with a comma between two. Found 'died,'."),
        ("--id=died", "`id` should name a column that is no target. Found the target 'died'."),
        ("--output=t.csv", "--output should be a folder, in which each run is one. Found the file 't.csv'."),
    ],
)
def test_an_option_of_fit_is_refused_before_there_is_a_run(
    option: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refusal(f"fit t.csv --target died {option}", capsys)
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("mlpp", "inputs.t: unknown encoder 'mlpp'. Did you mean 'mlp'"),
        ({"name": "mlp", "wdith": 3}, "unknown option of encoder 'mlp' 'wdith'. Did you mean 'width'"),
        ("conv", "inputs.t: `encoder` should read the kind 'table'. Found 'conv', which reads [batch, 3,"),
    ],
)
def test_an_encoder_is_refused_before_there_is_a_run(
    encoder: Any, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = SCHEMA["inputs"]["t"] | {"encoder": encoder}
    (folder / "s.yaml").write_text(yaml.safe_dump(SCHEMA | {"inputs": {"t": table}}))
    assert message in refusal("fit t.csv --schema s.yaml", capsys)
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inputs: {a: [\n", "'s.yaml' is not valid YAML: line 2 expected the node content"),
        (
            "inputs: {}\ntargets: {}\ninputs: {}\n",
            "'s.yaml' is not valid YAML: line 3 has the key 'inputs' twice.",
        ),
        ("inputs:\n  a: {kind: text}\n  a: {kind: text}\n", "line 3 has the key 'a' twice."),
        ("a: 2024-13-45\n", "'s.yaml' is not valid YAML: month must be in 1..12"),
    ],
)
def test_a_schema_that_is_no_yaml_is_refused_by_its_line(text: str, message: str, folder: Path) -> None:
    (folder / "s.yaml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        read_schema("s.yaml")
    assert "\n" not in str(refused.value)


def test_files_that_are_no_tables_are_refused_by_what_they_are(folder: Path) -> None:
    Image.new("RGB", (4, 4)).save("a.png")
    with pytest.raises(ValueError, match=r"'a.png' should be a table. Found one image file. Give a .csv"):
        read_rows("a.png")
    with pytest.raises(FileNotFoundError, match=r"'https://host/t.csv'. Download it first."):
        read_rows("https://host/t.csv")
    with pytest.raises(TypeError, match=r"Found LazyFrame. Call `.collect\(\)` first."):
        TableModel("died").fit(pl.LazyFrame({"age": [1.0], "died": ["a"]}))


def test_answers_never_replace_the_table_or_a_target(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Found the table itself: 't.csv'" in refusal("predict t.csv --out t.csv", capsys)
    assert "Found a folder: '.'" in refusal("predict t.csv --out .", capsys)
    model = TableModel("died", preset="fast", epochs=1, width=8).fit("t.csv")
    model.save(folder / "model")
    assert "Found the target 'died'" in refusal("predict t.csv --model model --id died", capsys)
    main(["predict", "t.csv", "--model", "model", "--out", "new/folder/answers.csv"])
    assert len((folder / "new" / "folder" / "answers.csv").read_text().splitlines()) == 41


def test_a_number_beyond_32_bits_is_named_with_its_row(folder: Path) -> None:
    for cells in (["1", "1e300"], [1.0, 1e300]):
        fault = read_rows(pl.DataFrame({"age": cells})).numbers("age")[1]
        assert "row 1, column 'age' should hold a number up to 3.4e+38. Found '1e+300'" in str(fault).replace(
            "1e300", "1e+300"
        )


def test_a_split_without_training_rows_says_what_it_has(folder: Path) -> None:
    rows = read_rows(pl.read_csv("t.csv").with_columns(part=pl.lit("test")))
    schema = Schema.of(SCHEMA | {"split": {"by": "column", "column": "part"}})
    with pytest.raises(ValueError, match=r"The split by column 'part' leaves 40 test rows only. Change it"):
        split_rows(rows, schema)


def test_a_cut_picture_of_a_small_table_is_refused_before_the_training(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(20):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(f"{k}.png")
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    pl.DataFrame({"photo": [f"{k}.png" for k in range(20)], "died": ["a", "b"] * 10}).write_csv("p.csv")
    inputs: Mapping[str, Any] = {"photo": {"kind": "image", "column": "photo", "size": 16}}
    for seed in range(3):
        split = {"by": "random", "validation": 0.1, "test": 0.1, "seed": seed}
        with pytest.raises(
            ValueError, match=r"row 5, column 'photo' names '3.png': .*cannot be read as an image"
        ):
            split_rows(read_rows("p.csv"), Schema.of(SCHEMA | {"inputs": inputs, "split": split}))


def test_the_estimator_takes_seconds_and_refuses_other_values(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"`workers` should be 0 or more. Found -1."):
        TableModel("died", workers=-1).fit("t.csv")
    with pytest.raises(ValueError, match=r"`lr` should be more than 0. Found 0."):
        TableModel("died", lr=0).fit("t.csv")
    model = TableModel("died", preset="fast", epochs=1, width=8, time_limit=30).fit("t.csv")
    assert len(model.predict({"age": [1.0], "ward": ["a"]})) == 1


def test_equal_texts_give_trees_nothing_and_no_warning() -> None:
    assert not _components(["a note"] * 5, [0, 1, 2]).any()


@pytest.mark.parametrize("by", ["split", "fold"])
def test_a_column_that_a_declared_split_keeps_whole_is_its_group(by: str) -> None:
    rng = np.random.default_rng(0)
    house = [f"h{k // 4:02d}" for k in range(120)]
    parts = {"split": ["train", "validation", "test"], "fold": [0, 1, 2]}[by]
    table = {
        "house": house,
        "wall": rng.choice(["red", "blue", "white"], 120),
        by: [parts[k // 4 % 3] for k in range(120)],
        "label": rng.choice(["a", "b"], 120),
    }
    guess = guess_schema(read_rows(pl.DataFrame(table)))
    assert guess.raw["split"]["group"] == "house"
    assert guess.reasons["house"] == "30 groups: none is in two parts"
    assert guess.schema.input_columns == ["wall"]
    crossing = guess_schema(read_rows(pl.DataFrame(table | {by: [parts[k % 3] for k in range(120)]})))
    assert "group" not in crossing.raw["split"]


def test_whole_numbers_are_classes_unless_one_stands_alone() -> None:
    often = [k % 12 for k in range(120)]
    frame = pl.DataFrame({"x": [k / 7 for k in range(120)], "y": often, "words": [*often[:119], 30]})
    classes, numbers = (guess_schema(read_rows(frame), target=name) for name in ("y", "words"))
    assert classes.raw["targets"]["y"]["kind"] == "class"
    assert classes.reasons["y"] == "12 classes; for a quantity, `kind: number`"
    assert numbers.raw["targets"]["words"] == {"kind": "number", "columns": ["words"]}


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("audio", "jitter", "the augmentation 'jitter' changes no audio. Known: additive_noise, "),
        ("series", "speed_perturbation", "the augmentation 'speed_perturbation' changes no series. Known: "),
        ("image", "gaussian_noise", "changes no image. Take one of torchvision: 'torchvision/NAME'."),
    ],
)
def test_an_augmentation_of_another_kind_is_refused_before_it_meets_a_file(
    kind: str, name: str, message: str
) -> None:
    options = {"sample_rate": 8000} if kind == "audio" else {}
    inputs = {"x": {"kind": kind, "column": "x", "augment": [{"name": name}], **options}}
    schema = Schema.of(SCHEMA | {"inputs": inputs})
    with pytest.raises(ValueError, match=re.escape(message)):
        schema.inputs["x"].make_transforms()


def test_ids_that_repeat_are_no_numbers() -> None:
    table = {
        "fsID": [1000 + 7 * (k // 2) for k in range(120)],
        "store_id": [k % 5 for k in range(120)],
        "paid": [k % 50 for k in range(120)],
        "label": ["a", "b"] * 60,
    }
    guess = guess_schema(read_rows(pl.DataFrame(table)))
    assert guess.reasons["fsID"] == "left out: 60 ids by its name, some in several rows"
    measures = guess.raw["inputs"]["table"]
    assert (measures["numbers"], list(measures["categories"])) == (["paid"], ["store_id"])
    kept = table | {"split": ["train"] * 60 + ["test"] * 60}
    assert guess_schema(read_rows(pl.DataFrame(kept))).raw["split"]["group"] == "fsID"


def test_a_duration_is_a_number_of_seconds() -> None:
    hours = pl.DataFrame({"stay": pl.Series([3, None], dtype=pl.Int64)}).select(pl.duration(hours="stay"))
    assert read_rows(hours).numbers("hours" if "hours" in hours.columns else hours.columns[0]) == [
        10800,
        None,
    ]


def test_commands_that_are_printed_quote_their_paths(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my data").mkdir()
    (folder / "t.csv").rename(folder / "my data" / "t.csv")
    main(["guess", "my data/t.csv", "--target", "died", "--out", "my data/s.yaml"])
    assert "`sennit table fit 'my data/t.csv' --schema 'my data/s.yaml'`" in capsys.readouterr().out


def test_targets_and_inputs_may_have_any_name(folder: Path) -> None:
    table = pl.read_csv("t.csv").rename({"died": "died.at/30", "ward": "ward.no", "age": "type"})
    table.with_columns(note=pl.Series([f"a note {k % 7}" for k in range(40)])).write_csv("named.csv")
    run = main(["fit", "named.csv", "--target", "died.at/30", "--preset=fast", "--epochs=1", "--workers=0"])
    assert set(TableModel.load(run).predict("named.csv")) <= {"yes", "no"}
    assert len((run / "predictions.csv").read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([b"RIFF" + bytes([k]) * 9 for k in range(40)], "should hold classes, .* Found files."),
        ([[k + 0.5, 2.0] for k in range(40)], "Found lists of decimals. Give each number a column"),
        (
            [f"img/{k:02d}.png" for k in range(40)],
            "Found another one in each of 40 rows, such as 'img/00.png'",
        ),
    ],
)
def test_a_column_that_holds_no_labels_is_no_target(cells: list[Any], message: str) -> None:
    frame = pl.DataFrame({"x": [k / 7 for k in range(40)], "y": cells})
    with pytest.raises(ValueError, match=message):
        guess_schema(read_rows(frame), target="y")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"kind": "table", "numbers": ["age", "age"]}, "inputs.t.numbers should have each name once."),
        ({"kind": "table", "categories": {"ward": ["a", "b", "a"]}}, "Found 'a' twice."),
    ],
)
def test_a_name_that_a_list_has_twice_is_refused(inputs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schema.of(SCHEMA | {"inputs": {"t": inputs}})


def test_a_pretrained_model_that_is_nowhere_is_refused_by_its_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = {"kind": "text", "column": "ward", "encoder": "hf/no-such-model"}
    schema = Schema.of(SCHEMA | {"inputs": {"note": text}})
    with pytest.raises(
        ValueError, match=r"inputs.note: 'no-such-model' should be a folder .* Found neither."
    ):
        make_encoders(schema)


def test_a_file_of_a_new_row_that_cannot_be_read_is_named_with_its_row(folder: Path) -> None:
    for k in range(24):
        Image.new("RGB", (16, 16), (k * 10, 0, 0)).save(f"{k}.png")
    frame = pl.DataFrame({"photo": [f"{k}.png" for k in range(24)], "died": ["a", "b"] * 12})
    frame.write_csv("p.csv")
    model = TableModel("died", preset="fast", epochs=1, width=8).fit("p.csv")
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"'p.csv', row 5, column 'photo' .*3.png"):
        model.predict("p.csv")
    (folder / "3.png").unlink()
    with pytest.raises(
        ValueError, match=r"'p.csv', row 5, column 'photo' cannot be read: no image '.*3.png'"
    ):
        model.predict("p.csv")
