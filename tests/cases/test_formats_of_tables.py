"""Tables as spreadsheets and other programs write them: read, or refused with the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from sennit.recipes.table import BadCell, load_data, read_rows
from sennit.recipes.table.schema.guess import guess_schema
from tests.recipes.table_files import write_yaml


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
        ("t.xlsx", b"PK\3\4", r"Found .xlsx. Read it with polars.read_excel"),
        ("t.csv", b"PK\3\4" + bytes(99), r"a spreadsheet or an archive. Save a sheet as CSV"),
        ("t.jsonl", b'{"a": 1}\n', r"Found .jsonl. Read it with polars.read_ndjson"),
        ("t.csv", b'{"a": 1, "b": 2}\n{"a": 1, "b": 3}\n', r"it is JSON. Read it with polars.read_ndjson"),
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
