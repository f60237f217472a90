"""Datasets of tables, and every fault that somebody's table can have."""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile
import torch
from PIL import Image

from sennit.data import AugmentationError, ResumableLoader
from sennit.recipes.table import TableDataset
from sennit.recipes.table.data.check import check_rows, write_bad_rows
from sennit.recipes.table.data.load import load_data, open_subset
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.model import build_model
from tests.recipes.table_files import RATE, SCHEMA, make_rows, write_csv, write_yaml

Rows = list[dict[str, str]]
Spoil = Callable[[dict[str, str], Path], object]


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return make_rows(tmp_path)


def load(folder: Path, rows: Rows, raw: dict[str, Any] | None = None, **options: Any) -> Any:
    schema = write_yaml(folder / "schema.yaml", raw or SCHEMA)
    return load_data(str(write_csv(folder / "train.csv", rows)), schema, **options)


def test_a_sample_has_raw_inputs_labels_and_its_row(tmp_path: Path, rows: Rows) -> None:
    data = TableDataset(write_csv(tmp_path / "train.csv", rows), Schema.of(SCHEMA))
    sample = data[1]
    assert sample["index"] == 3  # as a spreadsheet counts
    assert sample["inputs"]["photo"] == str(tmp_path / "1.png")
    assert sample["inputs"]["caption"] == "a loud one"
    assert sample["inputs"]["measures"][1:] == [float(rows[1]["height"]), 1]
    assert sample["inputs"]["motion"].shape == (13, 2)
    assert sample["targets"] == {"kind": 0, "tags": [1.0, 1.0], "price": [float(rows[1]["price"])]}


def test_blanks_are_missing_inputs_cells_and_labels(tmp_path: Path, rows: Rows) -> None:
    rows[0] |= {"photo": " ", "motion": "", "price": "nan"}
    sample = TableDataset(write_csv(tmp_path / "train.csv", rows), Schema.of(SCHEMA))[0]
    assert sorted(sample["inputs"]) == ["measures", "voice"]
    assert sample["inputs"]["measures"][1] is None
    assert sorted(sample["targets"]) == ["kind"]


def test_csv_parquet_and_data_frame_give_the_same_samples(tmp_path: Path, rows: Rows) -> None:
    typed = pl.read_csv(write_csv(tmp_path / "train.csv", rows))
    typed.write_parquet(tmp_path / "train.parquet")
    schema = Schema.of(SCHEMA)
    one, two = (TableDataset(tmp_path / name, schema) for name in ("train.csv", "train.parquet"))
    assert two.schema == one.schema
    for i in range(len(one)):
        a, b = one[i], two[i]
        assert (a["targets"], a["index"]) == (b["targets"], b["index"] + 2)
        assert a["inputs"].pop("motion").tolist() == b["inputs"].pop("motion").tolist()
        assert a["inputs"] == b["inputs"]


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_read_files_as_the_model_wants_them(tmp_path: Path, rows: Rows, workers: int) -> None:
    raw = copy.deepcopy(SCHEMA)
    raw["inputs"]["photo"]["augment"] = [{"name": "torchvision/RandomHorizontalFlip"}]
    schema, table = load(tmp_path, rows, raw)
    model = build_model(schema, fusion="gated", width=8, modality_dropout=0.0)
    data = open_subset(table, schema, "train", preprocess=model.preprocessing(training=True))
    loader = ResumableLoader(data, batch_size=6, collate_fn=model.collate, num_workers=workers)
    batches = list(loader)
    assert [b.batch_size for b in batches] == [6, 6]
    assert batches[0].inputs["photo"].shape == (6, 3, 16, 16)
    loss, _ = model.loss(batches[0])
    assert torch.isfinite(loss)


def test_augmentations_of_ours_are_named_in_a_schema_and_their_faults_are_not_the_files(
    tmp_path: Path, rows: Rows
) -> None:
    raw = copy.deepcopy(SCHEMA)
    raw["inputs"]["motion"]["augment"] = [{"name": "jitter", "sigma": 0.5}]
    raw["inputs"]["voice"]["augment"] = [{"name": "spec_augment"}, {"name": "speed_perturbation"}]
    schema, table = load(tmp_path, rows, raw)
    model = build_model(schema, fusion="concat", width=8, modality_dropout=0.0)
    assert model.transforms["voice"].config["augment"][0] == {"name": "spec_augment", "sample_rate": RATE}
    clean, noisy = (
        open_subset(table, schema, "train", preprocess=model.preprocessing(training=training))
        for training in (False, True)
    )
    one, other = (data[0]["inputs"] for data in (clean, noisy))
    assert one["motion"].shape == other["motion"].shape
    assert not torch.equal(one["motion"], other["motion"])
    assert not torch.equal(one["voice"], other["voice"])
    raw["inputs"]["motion"]["augment"] = [{"name": "rotate_axes"}]
    schema, table = load(tmp_path, rows, raw)
    model = build_model(schema, fusion="concat", width=8, modality_dropout=0.0)
    data = open_subset(table, schema, "train", preprocess=model.preprocessing(training=True))
    with pytest.raises(
        AugmentationError, match=r"sample with index 2: the augmentation 'rotate_axes' failed"
    ):
        data[0]


def test_rows_can_be_chosen_and_share_the_schema_of_others(tmp_path: Path, rows: Rows) -> None:
    path = write_csv(tmp_path / "train.csv", rows)
    train = TableDataset(path, Schema.of(SCHEMA), indices=range(10))
    test = TableDataset(path, train.schema, indices=[19, 12])
    assert [test[0]["index"], test[1]["index"]] == [21, 14]


def test_new_rows_without_targets_are_read_for_prediction(tmp_path: Path, rows: Rows) -> None:
    train = TableDataset(write_csv(tmp_path / "train.csv", rows), Schema.of(SCHEMA))
    model = build_model(train.schema, fusion="gated", width=8, modality_dropout=0.0)
    new = [{k: v for k, v in row.items() if k not in ("kind", "tags", "price")} for row in rows]
    data = TableDataset(write_csv(tmp_path / "new.csv", new), train.schema, labelled=False)
    assert data[0]["targets"] == {}
    assert len(TableDataset(tmp_path / "new.csv", train.schema, labelled=False, skip_bad_rows=True)) == 20
    answers = model.predict([data[i]["inputs"] for i in range(len(data))])
    assert {answer["kind"]["label"] for answer in answers} <= {"bell", "dog"}


# Faults of cells and files: each names the row and the column, and the file where there is one.


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def put(**cells: str) -> Spoil:
    return lambda row, folder: row.update(cells)


def write(column: str, text: bytes) -> Spoil:
    return lambda row, folder: (folder / row[column]).write_bytes(text)


def series(values: np.ndarray) -> Spoil:
    return lambda row, folder: np.save(folder / row["motion"], values)


FAULTS: dict[str, tuple[Spoil, str]] = {
    "no image": (put(photo="x.png"), "column 'photo' names 'x.png': there is no file '.*x.png'"),
    "empty image": (write("photo", b""), "column 'photo' names '3.png': the file is empty"),
    "text for an image": (write("photo", b"x" * 99), "column 'photo' names '3.png'"),
    "no sound": (put(voice="x.wav"), "column 'voice' names 'x.wav': there is no file"),
    "empty sound": (write("voice", b""), "column 'voice' names '3.wav': the file is empty"),
    "text for a sound": (write("voice", b"x" * 99), "column 'voice' names '3.wav'"),
    "sound without samples": (
        lambda row, folder: soundfile.write(folder / row["voice"], np.zeros(0), RATE),
        "column 'voice' names '3.wav': it holds no samples",
    ),
    "series of another width": (
        series(np.zeros((4, 3))),
        r"column 'motion' names '3.npy': it should have shape \[time, 2\]. Found \(4, 3\)",
    ),
    "series with a gap": (
        series(np.full((4, 2), np.nan)),
        "column 'motion' names '3.npy': it should hold finite numbers. Found nan at step 0",
    ),
    "word for a number": (put(width="wide"), "column 'width' should hold a number. Found 'wide'"),
    "decimal comma": (put(price="3,5"), "column 'price' should hold a number. Found '3,5'. Write"),
    "infinite": (put(price="inf"), "column 'price' should hold a number. Found 'inf'"),
    "unknown category": (put(colour="rde"), "column 'colour' should be one of 'blue', 'red'. Found 'rde'"),
    "blank everywhere": (
        lambda row, folder: row.update({k: "" for k in row if k != "split"}),
        "should have some input. Found every one blank: photo, voice",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_before_the_training(tmp_path: Path, rows: Rows, fault: str) -> None:
    spoil, message = FAULTS[fault]
    spoil(rows[3], tmp_path)
    with pytest.raises(ValueError, match=rf"'train.csv', row 5,? ?{message}") as caught:
        load(tmp_path, rows)
    assert "--skip-bad-rows" in str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_row_can_be_left_out_and_is_listed(tmp_path: Path, rows: Rows, fault: str) -> None:
    FAULTS[fault][0](rows[3], tmp_path)
    _, table = load(tmp_path, rows, skip_bad_rows=True)
    assert list(table.bad) == [3]
    assert sum(table.sizes.values()) == len(rows) - 1
    write_bad_rows(tmp_path / "bad_rows.csv", table)
    with (tmp_path / "bad_rows.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert {line["row"] for line in listed} == {"5"}
    assert all(line["problem"] for line in listed)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_met_while_reading_is_named_too(tmp_path: Path, rows: Rows, fault: str) -> None:
    schema, _ = load(tmp_path, rows)
    FAULTS[fault][0](rows[3], tmp_path)
    model = build_model(schema, fusion="gated", width=8, modality_dropout=0.0)
    path = write_csv(tmp_path / "train.csv", rows)
    data = TableDataset(path, schema, preprocess=model.preprocessing())
    with pytest.raises(ValueError, match=r"'train.csv', row 5"):
        data[3]


def test_every_bad_row_is_counted(tmp_path: Path, rows: Rows) -> None:
    for i in (3, 8, 12):
        rows[i]["width"] = "wide"
    with pytest.raises(ValueError, match=r"row 5, column 'width' .* Bad rows in all: 3\. Fix"):
        load(tmp_path, rows)


def test_an_image_cut_short_is_only_found_by_reading_it(
    tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sennit.recipes.table.data.load._WHOLE", 10)  # of a large table, only a part is read
    truncate(tmp_path / "1.png")  # of a training row; those that choose and test are read before
    schema, table = load(tmp_path, rows)
    assert not table.bad
    model = build_model(schema, fusion="gated", width=8, modality_dropout=0.0)
    data = open_subset(table, schema, "train", preprocess=model.preprocessing())
    with pytest.raises(ValueError, match=r"row 3, column 'photo' cannot be read: .*1\.png"):
        data[1]
    assert list(load(tmp_path, rows, skip_bad_rows=True)[1].bad) == [1]
    skipped = TableDataset(tmp_path / "train.csv", schema, skip_bad_rows=True)
    assert (len(skipped), list(skipped.bad_rows)) == (19, [1])


@pytest.mark.parametrize("i", [3, 4])
def test_the_files_of_validation_and_test_rows_are_read_before_the_training(
    tmp_path: Path, rows: Rows, i: int
) -> None:
    truncate(tmp_path / f"{i}.png")
    with pytest.raises(ValueError, match=rf"row {i + 2}, column 'photo' names '{i}.png': .*truncated"):
        load(tmp_path, rows)


def test_pixels_that_the_encoder_refuses_are_found_by_reading_them(tmp_path: Path, rows: Rows) -> None:
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / "3.png")
    assert list(load(tmp_path, rows, skip_bad_rows=True)[1].bad) == [3]


def test_an_image_that_claims_to_be_huge_is_refused(
    tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"row 2, column 'photo' names '0.png': .* \(Image size"):
        load(tmp_path, rows)


def test_a_series_takes_its_channels_from_the_first_training_file_that_can_be_read(
    tmp_path: Path, rows: Rows
) -> None:
    (tmp_path / "0.npy").write_bytes(b"")
    assert load(tmp_path, rows, skip_bad_rows=True)[0].to_dict()["inputs"]["motion"]["channels"] == 2
    for path in tmp_path.glob("*.npy"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"row 2, column 'motion' should name a series: the file is empty"):
        load(tmp_path, rows)


def test_a_series_may_be_a_csv_file_with_or_without_names(tmp_path: Path, rows: Rows) -> None:
    for text in ("x,y\n1,2\n3,4\n", "1,2\n3,4\n"):
        (tmp_path / "s.csv").write_text(text)
        rows[1]["motion"] = "s.csv"
        schema, table = load(tmp_path, rows)
        data = open_subset(table, schema, "train")
        assert data[1]["inputs"]["motion"].tolist() == [[1, 2], [3, 4]]


def test_a_sound_shorter_than_a_window_is_named(tmp_path: Path, rows: Rows) -> None:
    schema, _ = load(tmp_path, rows)
    soundfile.write(tmp_path / "3.wav", np.zeros(50), RATE)
    message = r"row 5, column 'voice' .* it should last at least one window of 0.025 s. Found 0.00625 s"
    with pytest.raises(ValueError, match=message):
        load(tmp_path, rows)
    model = build_model(schema, fusion="gated", width=8, modality_dropout=0.0)
    with pytest.raises(ValueError, match=message):
        TableDataset(tmp_path / "train.csv", schema, preprocess=model.preprocessing())[3]


def test_another_sample_rate_is_resampled_and_said(tmp_path: Path, rows: Rows) -> None:
    soundfile.write(tmp_path / "3.wav", np.zeros(RATE), 2 * RATE)
    schema, table = load(tmp_path, rows)
    assert table.notes == ["voice not at 8000 Hz, so resampled: 1 files, the first in row 5."]
    model = build_model(schema, fusion="gated", width=8, modality_dropout=0.0)
    sample = open_subset(table, schema, "validation", preprocess=model.preprocessing())[0]
    assert len(sample["inputs"]["voice"]) == RATE // 2


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("kind", "dgo", "column 'kind' should be one of 'bell', 'dog'. Found 'dgo'. Did you mean 'dog'"),
        ("tags", "metal|lound", "column 'tags' should be one of 'loud', 'metal'. Found 'lound'"),
    ],
)
def test_a_class_that_is_not_declared_is_refused(
    tmp_path: Path, rows: Rows, column: str, value: str, message: str
) -> None:
    raw = copy.deepcopy(SCHEMA)
    raw["targets"]["kind"]["classes"] = ["bell", "dog"]
    raw["targets"]["tags"]["labels"] = ["loud", "metal"]
    rows[7][column] = value
    with pytest.raises(ValueError, match=f"'train.csv', row 9, {message}"):
        load(tmp_path, rows, raw)


def test_labels_in_columns_of_their_own_are_zero_one_or_blank(tmp_path: Path, rows: Rows) -> None:
    raw = copy.deepcopy(SCHEMA)
    raw["targets"]["tags"] = {"kind": "multilabel", "columns": ["wet", "cold"]}
    for i, row in enumerate(rows):
        row |= {"wet": str(i % 2), "cold": "" if i % 3 else "1"}
    schema, table = load(tmp_path, rows, raw)
    sample = open_subset(table, schema, "train")[1]
    assert str(sample["targets"]["tags"]) == "[1.0, nan]"
    rows[3]["wet"] = "2"
    with pytest.raises(ValueError, match=r"row 5, column 'wet' should be 0, 1 or blank. Found '2'"):
        load(tmp_path, rows, raw)


def test_a_target_without_any_label_is_refused(tmp_path: Path, rows: Rows) -> None:
    for row in rows:
        row["price"] = ""
    with pytest.raises(ValueError, match=r"column 'price' \(targets.price\) should hold a label in"):
        load(tmp_path, rows)
    for row in rows:
        row["kind"] = ""
    with pytest.raises(ValueError, match=r"targets.kind: column 'kind' should hold two classes or more"):
        load(tmp_path, rows)


def test_rows_without_any_label_are_tested_but_not_trained_on(tmp_path: Path, rows: Rows) -> None:
    for i in (0, 3, 4):  # of the training, validation and test rows
        rows[i] |= {"kind": "", "tags": "", "price": ""}
    _, table = load(tmp_path, rows)
    assert table.sizes == {"train": 11, "validation": 3, "test": 4}


# Faults of whole files


def test_a_missing_column_is_named_with_close_ones(tmp_path: Path, rows: Rows) -> None:
    for row in rows:
        row["foto"] = row.pop("photo")
    with pytest.raises(ValueError, match=r"lacks a column that inputs.photo reads: unknown column 'photo'"):
        load(tmp_path, rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"a,b\n", "at least one row under its header. Found none"),
        (b"a,b\n1,2\n1,2,3\n", "row 3 should have 2 cells, as the header has. Found 3"),
        (b"a,a\n1,2\n", "two columns 'a'"),
        ("a,b\né,2\n".encode("latin-1"), "should be UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / "t.csv")


def test_a_parquet_file_cut_short_and_no_file_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "t.parquet")
    truncate(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"t\.parquet' cannot be read"):
        read_rows(tmp_path / "t.parquet")
    with pytest.raises(FileNotFoundError, match=r"no file or folder"):
        read_rows(tmp_path / "nowhere.csv")


def test_a_folder_for_each_class_needs_no_schema(tmp_path: Path, rows: Rows) -> None:
    for i, row in enumerate(rows):
        place = tmp_path / "classes" / row["kind"]
        place.mkdir(parents=True, exist_ok=True)
        (tmp_path / row["photo"]).rename(place / f"{i}.png")
    schema, table = load_data(str(tmp_path / "classes"), None)
    assert schema.to_dict()["targets"] == {
        "class": {"kind": "class", "column": "class", "classes": ["bell", "dog"]}
    }
    assert list(schema.inputs) == ["file"]
    assert sum(table.sizes.values()) == len(rows)


def test_a_folder_of_mixed_kinds_or_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"one folder for each class. Found none"):
        read_rows(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match=r"a' should hold images or sound files. Found none"):
        read_rows(tmp_path)
    (tmp_path / "a" / "1.png").touch()
    (tmp_path / "a" / "1.wav").touch()
    with pytest.raises(ValueError, match=r"of one kind. Found audio and image \('a/1.png', 'a/1.wav'\)"):
        read_rows(tmp_path)


def test_the_check_reads_nothing_but_headers_unless_asked(tmp_path: Path, rows: Rows) -> None:
    truncate(tmp_path / "3.png")
    table = read_rows(write_csv(tmp_path / "train.csv", rows))
    schema = Schema.of(SCHEMA).complete(table)
    assert not check_rows(table, schema).bad
    assert list(check_rows(table, schema, decode=True).bad) == [3]
