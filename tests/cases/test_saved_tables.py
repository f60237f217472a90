"""A saved model knows its columns and categories by name."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from sennit.encoders import create_encoder
from sennit.recipes.table import predict_rows
from sennit.recipes.table.__main__ import main
from sennit.tasks import MultiTaskModel
from tests.recipes.table_files import write_yaml

COLUMNS = {"num_features": 3, "categories": [["blue", "red"]], "columns": ["x", "y", "colour"]}


@pytest.mark.parametrize("name", ["mlp", "ft_transformer"])
def test_rows_are_read_by_the_names_of_columns_and_values(name: str) -> None:
    encoder = create_encoder(name, **COLUMNS)
    expected = [0.5, 2.0, 1.0]
    for row in (
        {"colour": "red", "y": 2, "x": "0.5"},
        [0.5, "2", "red"],
        [0.5, 2, 1],
        torch.tensor(expected),
    ):
        assert encoder.to_tensor(row).tolist() == expected
    for row in ({"colour": "NA", "x": None}, {}, [None, "", None]):
        assert encoder.to_tensor(row).isnan().all()
    assert encoder.describe_raw() == "a mapping of x, y, colour (blue, red); any may be missing"
    assert encoder.features.cardinality.tolist() == [2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"collour": "red"}, r"unknown column 'collour'. Did you mean 'colour'"),
        ({"colour": "rde"}, r"column 'colour' should be one of 'blue', 'red'. Found 'rde'.* Give None"),
        ({"x": "wide"}, r"column 'x' should hold a number. Found 'wide'"),
    ],
)
def test_a_wrong_row_is_refused_by_its_column(row: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_encoder("mlp", **COLUMNS).to_tensor(row)


def test_names_for_another_number_of_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`columns` should name all 3 columns. Found 1"):
        create_encoder("mlp", 3, columns=["x"])


def test_the_model_alone_answers_for_rows_by_name_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "".join(f"{i % 7},{('red', 'blue')[i % 2]},{'ab'[i % 2]},{i % 5}\n" for i in range(40))
    Path("d.csv").write_text(f"x,colour,label,price\n{lines}")
    raw = {
        "inputs": {"t": {"kind": "table", "numbers": ["x"], "categories": {"colour": None}}},
        "targets": {
            "label": {"kind": "class", "column": "label"},
            "price": {"kind": "number", "columns": ["price"]},
        },
    }
    write_yaml(Path("s.yaml"), raw)
    one_net = ("--separate=false", "--shallow=false")
    options = ("fit", "d.csv", "--schema=s.yaml", "--epochs=1", "--width=8", "--workers=0", *one_net)
    folder = main(options).resolve() / "model"
    (tmp_path / "away").mkdir()
    moved = folder.rename(tmp_path / "away" / "model")
    model = MultiTaskModel.from_pretrained(moved)
    assert "colour (blue, red)" in (moved / "README.md").read_text()
    rows = [
        model.predict({"t": row}) for row in ({"x": 3, "colour": "red"}, {"colour": "red", "x": 3}, [3, 1])
    ]
    assert rows[0] == rows[1] == rows[2]
    Path("new.csv").write_text("colour,x\nred,3\ngreen,4\n\nblue,wide\n")
    with pytest.warns(UserWarning, match=r"values that no training row has, such as 'green' in row 3"):
        answers = predict_rows(moved, "new.csv", skip_bad_rows=True)
    assert len(answers) == 2
    assert answers[0]["price"]["value"] == pytest.approx(rows[0]["price"]["value"], rel=1e-6)
    capsys.readouterr()
    written = main(["predict", f"--model={moved}", "new.csv", "--skip-bad-rows"])
    said = capsys.readouterr()
    assert "such as 'green' in row 3" in said.err
    assert "1 rows are left out, such as: 'new.csv', row 5, column 'x' should hold a number" in said.err
    with written.open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [line["row"] for line in cells] == ["2", "3"]
    assert cells[0]["label"] == rows[0]["label"]["label"]
    assert float(cells[0]["price"]) == pytest.approx(rows[0]["price"]["value"][0], rel=1e-6)
