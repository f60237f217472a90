"""Series as sensors write them: gaps, times, semicolons, archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sennit.recipes.table import load_data
from sennit.recipes.table.reading.media import read_series
from tests.recipes.table_files import write_yaml


def test_a_gap_is_filled_with_the_value_before_it_or_the_first(tmp_path: Path) -> None:
    expected = [[1, 5], [1, 5], [3, 5], [3, 6]]
    for word in ("", "NaN", "NA"):
        (tmp_path / "s.csv").write_text(f"ax,ay\n1,{word}\n{word},5\n3,{word}\n{word},6\n")
        series = read_series(str(tmp_path / "s.csv"), 2)
        assert (series.x.tolist(), series.filled) == (expected, 4)
    gaps = np.array([[1, np.nan], [np.nan, 5], [3, np.nan], [np.nan, 6]])
    np.save(tmp_path / "s.npy", gaps)
    assert read_series(str(tmp_path / "s.npy"), 2).x.tolist() == expected


def test_gaps_may_be_refused_and_are_said(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("ax,ay\n1,2\n,3\n")
    with pytest.raises(ValueError, match=r"Found nan at step 1, channel 0. Fill gaps with `gaps: fill`"):
        read_series(str(tmp_path / "s.csv"), 2, gaps="refuse")
    (tmp_path / "d.csv").write_text("m,y\n" + "".join(f"s.csv,{'ab'[i % 2]}\n" for i in range(12)))
    raw = {
        "inputs": {"m": {"kind": "series", "column": "m"}},
        "targets": {"y": {"kind": "class", "column": "y"}},
    }
    _, rows = load_data(str(tmp_path / "d.csv"), write_yaml(tmp_path / "s.yaml", raw))
    assert "m has gaps, filled with the values before: 12 files, the first in row 2." in rows.notes


def test_columns_of_times_are_refused_until_the_others_are_named(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("time;ax\n2021-01-01;1,5\n2021-01-02;2\n")
    with pytest.raises(ValueError, match=r"line 2, column 'time' .* Found '2021-01-01'.* `columns: \[...\]`"):
        read_series(str(tmp_path / "s.csv"), None)
    assert read_series(str(tmp_path / "s.csv"), 1, columns=["ax"]).x.tolist() == [[1.5], [2]]
    with pytest.raises(ValueError, match=r"unknown column of the series 'ay'"):
        read_series(str(tmp_path / "s.csv"), 1, columns=["ay"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("object.npy", r"Found objects.* Save `x.astype\('float32'\)` with numpy.save"),
        ("cut.npy", r"or a file that is cut"),
        ("several.npz", r"Found an archive of several. Save one with numpy.save"),
        ("infinite.csv", r"Found inf at step 0, channel 1"),
        ("empty.csv", r"Found nan at step 0, channel 1. A channel without any value cannot be filled"),
        ("ragged.csv", r"its line 2 should have 2 cells, as the header has. Found 3"),
        ("bytes.csv", r"should be UTF-8"),
    ],
)
def test_what_is_no_series_is_refused_with_the_fix(tmp_path: Path, name: str, message: str) -> None:
    np.save(tmp_path / "object.npy", np.array([[1.0, None]], dtype=object), allow_pickle=True)
    np.save(tmp_path / "cut.npy", np.zeros((9, 2)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-20])
    np.savez(tmp_path / "several.npz", x=np.zeros((5, 2)))
    for file, text in {"infinite": "1,inf\n", "empty": "1,\n2,\n", "ragged": "1,2\n1,2,3\n"}.items():
        (tmp_path / f"{file}.csv").write_text(text)
    (tmp_path / "bytes.csv").write_bytes(b"\x94\x80\n")
    with pytest.raises(ValueError, match=message):
        read_series(str(tmp_path / name), None)
