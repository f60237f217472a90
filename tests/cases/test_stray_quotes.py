"""Quotes that are part of a sentence swallow no rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from sennit.recipes.table import read_rows


def write(path: Path, sentences: dict[int, str], *, separator: str = "\t", columns: int = 3) -> Path:
    lines = [separator.join(("path", "sentence", "sex")[:columns])]
    for i in range(12):
        cells = (f"{i}.mp3", sentences.get(i, f"sentence {i}"), "mf"[i % 2])
        lines.append(separator.join(cells[:columns]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    "sentences",
    [{3: '"Stop there, she said', 8: 'and nobody spoke"'}, {3: '"Stop there'}, {3: '"Stop," she said.'}],
    ids=("a pair", "one", "a word"),
)
def test_with_tabs_they_are_part_of_the_cells(tmp_path: Path, sentences: dict[int, str]) -> None:
    rows = read_rows(write(tmp_path / "t.tsv", sentences))
    assert len(rows) == 12
    assert [rows.columns["sentence"][i] for i in sentences] == list(sentences.values())
    assert rows.columns["sex"][3] == "f"
    assert rows.notes == ["Quotes are read as part of the cells."]


def test_with_tabs_cells_may_be_enclosed_in_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", {3: '"a, ""b"" c"', 8: '"tab\there"', 9: '"two\nlines"'})
    rows = read_rows(path)
    assert [rows.columns["sentence"][i] for i in (3, 8, 9)] == ['a, "b" c', "tab\there", "two\nlines"]
    assert (len(rows), rows.row_numbers[10]) == (12, 12)


def test_with_commas_a_pair_of_stray_quotes_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", {3: '"Stop there', 8: 'and nobody spoke"'}, separator=",")
    with pytest.raises(ValueError, match=r"row 5 has a cell of several lines that look like rows.* \.tsv"):
        read_rows(path)


def test_with_commas_a_quote_that_is_not_closed_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", {3: '"Stop, there', 4: "x, y"}, separator=",")
    with pytest.raises(ValueError, match=r"row 5 should close each quote that begins a cell"):
        read_rows(path)


def test_inches_and_cells_of_several_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('text,y\n5" pipe,a\n"one, and\ntwo, and, three",b\n6" pipe,b\n')
    rows = read_rows(tmp_path / "t.csv")
    assert rows.columns["text"] == ['5" pipe', "one, and\ntwo, and, three", '6" pipe']
    assert list(rows.row_numbers) == [2, 3, 4]
