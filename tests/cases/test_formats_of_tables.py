"""Tables as spreadsheets and other programs write them: read, or refused with the fix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sennit.recipes.table import BadCell, Schema, TableDataset, load_data, read_rows
from sennit.recipes.table.reading.dates import read_dates
from sennit.recipes.table.schema.guess import guess_schema
from tests.recipes.table_files import write_yaml
from tests.recipes.table_sheet import write_sheet


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_semicolons_come_with_decimal_commas(tmp_path: Path) -> None:
    lines = "".join(f"hello there, you {i};{'ab'[i % 2]};{i},5\n" for i in range(12))
    rows = read_rows(write(tmp_path / "t.csv", f"text;label;price\n{lines}"))
    assert rows.numbers("price")[:2] == [0.5, 1.5]
    assert rows.texts("text")[1] == "hello there, you 1"
    assert guess_schema(rows).raw["inputs"]["table"]["numbers"] == ["price"]


def test_decimal_commas_and_points_in_a_column_are_refused_by_row(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path / "t.csv", "a;b\n1,5;1.5\n1.234;2.5\n"))
    assert rows.numbers("b") == [1.5, 2.5]
    value, fault = rows.numbers("a")
    assert value == 1.5
    assert "row 3, column 'a' should hold a number. Found '1.234'. Write decimals with a comma" in str(fault)


def test_the_line_that_names_the_separator_is_no_header(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path / "t.csv", "sep=;\na;b, c\n1;2\n"))
    assert rows.columns == {"a": ["1"], "b, c": ["2"]}
    assert list(rows.row_numbers) == [3]


def test_columns_without_a_name_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path / "t.csv", '"",a,\n1,2,3\n'))
    assert rows.columns == {"a": ["2"]}
    assert rows.notes == ["2 columns without a name are left out."]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt"])
def test_tabs_are_recognised_whatever_the_name(tmp_path: Path, name: str) -> None:
    rows = read_rows(write(tmp_path / name, "text\tlabel\nhello there, you\ta\n"))
    assert rows.columns == {"text": ["hello there, you"], "label": ["a"]}


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_ends_of_lines_and_encodings(tmp_path: Path, ends: str, encoding: str) -> None:
    text = ends.join(("caption, class", "é, a", "", "ü, b", ",", ""))
    rows = read_rows(write(tmp_path / "t.csv", text, encoding))
    assert rows.texts("caption") == ["é", "ü"]
    assert rows.texts("class") == ["a", "b"]
    assert list(rows.row_numbers) == [2, 4]
    assert rows.notes == ["1 blank lines are left out."]


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("t.xlsx", b"PK\3\4", r"its first sheet should be a table with names in the first row"),
        ("t.xls", b"\xd0\xcf", r"Found .xls. Read it with polars.read_excel"),
        ("t.csv", b"PK\3\4" + bytes(99), r"a spreadsheet or an archive. Save a sheet as CSV"),
        ("t.jsonl", b'{"a": 1}\n{"a": }\n', r"line 2 should be a JSON object. Found '{\"a\": }'"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', r"line 2 should be a JSON object. Found a list"),
        ("t.json", b'{"a": 1}', r"it should be a JSON list of objects. Found an object"),
        ("t.json", b'[{"a": 1},\n{"a": ]', r"Line 2 is no JSON"),
        ("t.csv", b'{"a": 1, "b": 2}\n{"a": 1, "b": 3}\n', r"it is JSON. Call it .jsonl"),
        ("t.csv", b"a,b\n\xe9,1\n", r"should be UTF-8. Found another encoding in line 2"),
        ("t.csv", b"a,b\nx\0,1\n", r"Found zero bytes"),
        ("t.csv", b" \n\n", r"it is empty"),
        ("t.parquet", b"PAR1 and no more", r"it is no whole Parquet file. Write it again"),
    ],
)
def test_other_formats_are_refused_with_the_fix(
    tmp_path: Path, name: str, contents: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / name)


def test_rows_with_too_few_cells_are_refused_by_number_or_left_out(tmp_path: Path) -> None:
    lines = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(20))
    path = write(tmp_path / "t.csv", f"n,label\n{lines}cut\n1,a,b\n")
    with pytest.raises(
        BadCell, match=r"row 22 should have 2 cells.* Found 1.* Such rows in all: 2.* --skip-bad-rows"
    ):
        read_rows(path)
    raw = {
        "inputs": {"t": {"kind": "table", "numbers": ["n"]}},
        "targets": {"label": {"kind": "class", "column": "label"}},
    }
    _, rows = load_data(str(path), write_yaml(tmp_path / "s.yaml", raw), skip_bad_rows=True)
    assert [rows.row_numbers[i] for i in rows.bad] == [22, 23]
    assert sum(rows.sizes.values()) == 20


def test_json_lines_and_lists_hold_cells_lists_and_blanks(tmp_path: Path) -> None:
    objects = [{"n": 1.5, "tags": ["a", "b"], "y": True}, {"n": None, "y": False, "z": "NA"}]
    lines = "\n\n".join(json.dumps(row) for row in objects)
    for name, text, numbers in (("t.jsonl", lines, [1, 3]), ("t.json", json.dumps(objects), [1, 2])):
        rows = read_rows(write(tmp_path / name, text))
        assert rows.numbers("n") == [1.5, None]
        assert rows.cells("tags") == [["a", "b"], None]
        assert (rows.texts("y"), rows.texts("z")) == (["True", "False"], [None, None])
        assert list(rows.row_numbers) == numbers


def test_the_first_sheet_of_a_spreadsheet_is_read_with_its_dates(tmp_path: Path) -> None:
    write_sheet(
        tmp_path / "t.xlsx",
        [["n", "label", "when"], [1.5, "a", 45000], [None, None, None], [2, "b", 45001.5]],
    )
    rows = read_rows(tmp_path / "t.xlsx")
    assert rows.numbers("n") == [1.5, 2.0]
    assert rows.texts("label") == ["a", "b"]
    assert list(rows.row_numbers) == [2, 4]
    assert rows.notes == ["1 blank rows are left out."]
    assert [d.isoformat() for d in read_dates(rows, "when")] == ["2023-03-15T00:00:00", "2023-03-16T12:00:00"]


def test_another_separator_is_declared_in_the_schema(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "n|label\n" + "".join(f"{i},5|{'ab'[i % 2]}\n" for i in range(20)))
    raw = {
        "inputs": {"t": {"kind": "table", "categories": {"n": None}}},
        "targets": {"label": {"kind": "class", "column": "label"}},
    }
    schema, rows = load_data(str(path), write_yaml(tmp_path / "s.yaml", {**raw, "separator": "|"}))
    assert rows.texts("n")[:2] == ["0,5", "1,5"]
    assert len(rows.subsets["test"]) == 2  # of categories that no training row has, which are a value, too
    with pytest.warns(UserWarning, match=r"cells of 'n' hold values that no training row has"):
        assert TableDataset(path, schema).rows.columns.keys() == {"n", "label"}
    with pytest.raises(ValueError, match=r"`separator` should be one character, and no quote. Found '::'"):
        Schema.of({**raw, "separator": "::"})
