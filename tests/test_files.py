"""Text and JSON files that are damaged are refused with the file and the place."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from sennit.files import open_text, read_json, read_json_object


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", "x,y\nZürich,1\n".encode("latin1"), r"byte 0xfc is none of UTF-8"),
        ("a.csv.gz", gzip.compress(b"x,y\n" * 500, mtime=0)[:-9], "cut short"),
        ("a.csv.gz", b"x,y\n", "not compressed by gzip"),
        ("a.csv", b'x,y\n"' + b"a" * 200_000, "longer than 131,072"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_in_our_words(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    """⚑ htad, tox21 and the corpora of speech gave the decoder's words."""
    (tmp_path / name).write_bytes(content)
    with (
        pytest.raises(ValueError, match=rf"{name}' cannot be read as text: .*{why}"),
        open_text(tmp_path / name) as file,
    ):
        list(csv.reader(file))


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfx,y\n1,2\n")
    with open_text(tmp_path / "a.csv") as file:
        assert list(csv.DictReader(file)) == [{"x": "1", "y": "2"}]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": ', "is not valid JSON: line 1, column 7"),
        (b'{"a": "\xff"}', "is not valid JSON: byte 8"),
        (b"[" * 100_000, "is not valid JSON: brackets in brackets"),
        (b"[1]", "should hold a JSON object. Found list"),
        (b'{"b": 1}', r"should have the key 'a'. Found \['b'\]"),
    ],
)
def test_json_that_is_damaged_or_something_else_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=why):
        read_json_object(path, ("a",))
    path.write_bytes(b"[1]")
    assert read_json(path) == [1]
