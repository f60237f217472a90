"""A corpus as a CSV file, for other layouts, and to read the headers of a large corpus only once."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from sennit.data.missing_words import MISSING_WORDS
from sennit.files import open_text, write_text
from sennit.recipes.xvector.data.corpus import Corpus, Entry
from sennit.recipes.xvector.data.files import table_of
from sennit.registry import check_names

_NEEDED = ("path", "speaker")
_OTHER = ("session", "frames", "sample_rate")


def read_manifest(path: Path) -> Corpus:
    """Read the columns ``path`` (relative to the file's folder), ``speaker`` and, if present, ``session``.

    With ``frames`` and ``sample_rate``, as `write_manifest` writes them, no header is read. Every other
    column is a label; a blank cell, or one of the missing words, is unknown.

    Raises:
        FileNotFoundError: The file or one of its recordings does not exist, or it has no row.
        ValueError: A column is missing, a row has no speaker, or a cell is not a number.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there should be a CSV file at '{path}'. Found none. Is the path right?")
    with open_text(path) as file:
        reader = csv.DictReader(file)
        columns, lines = list(reader.fieldnames or ()), list(reader)
    check_names(f"column of '{path}': it should be there,", _NEEDED, columns)
    rows = [_row(path, number, line) for number, line in enumerate(lines, 2)]
    if {"frames", "sample_rate"} <= set(columns) and rows:
        frames, rates = (
            np.array([_whole(path, i, name, line[name]) for i, line in enumerate(lines, 2)], dtype=np.int64)
            for name in ("frames", "sample_rate")
        )
        return Corpus.of(rows, frames, rates)
    for number, row in enumerate(rows, 2):
        if not row.path.is_file():
            raise FileNotFoundError(
                f"line {number} of '{path}' should name a recording. There is no file '{row.path}'."
            )
    return table_of(rows, path, "rows that name recordings")


def write_manifest(corpus: Corpus, path: Path) -> None:
    """Write a corpus as `read_manifest` reads it, atomically.

    Raises:
        OSError: It cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_NEEDED, *_OTHER, *corpus.labels])
    for i, recording in enumerate(corpus.paths):
        labels = [
            corpus.classes[name][column[i]] if column[i] >= 0 else ""
            for name, column in corpus.labels.items()
        ]
        names = [recording.resolve(), corpus.speakers[corpus.speaker[i]], corpus.session[i]]
        writer.writerow([*names, corpus.frames[i], corpus.rates[i], *labels])
    write_text(path, text.getvalue())


def _row(path: Path, number: int, line: dict[str, str | None]) -> Entry:
    values = {name: (value or "").strip() for name, value in line.items() if name is not None}
    for name in _NEEDED:
        if not values[name]:
            raise ValueError(f"line {number} of '{path}' should have a {name}. Found a blank.")
    others = {name: value for name, value in values.items() if name not in (*_NEEDED, *_OTHER)}
    labels = {name: "" if value in MISSING_WORDS else value for name, value in others.items()}
    return Entry(path.parent / values["path"], values["speaker"], values.get("session", ""), labels)


def _whole(path: Path, number: int, name: str, text: str | None) -> int:
    if not (text or "").strip().isdecimal() or int(text or 0) < 1:
        raise ValueError(f"line {number} of '{path}' should have a whole number in '{name}'. Found '{text}'.")
    return int(text or 0)
