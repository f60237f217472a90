"""Mangled tables, pictures, recordings and series: a result, or an error of ours; never that of a library."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile
from PIL import Image

from sennit.encoders.features import load_waveform
from sennit.encoders.layers.raw_images import check_image, read_image
from sennit.recipes.table import read_rows
from sennit.recipes.table.data.load import split_rows
from sennit.recipes.table.reading.media import read_series
from sennit.recipes.table.schema.guess import guess_schema
from sennit.recipes.table.schema.schema import Schema, read_schema
from tests.mangling import outcomes_of

TRIES = 110  # of each of 19 kinds of file


def picture(form: str) -> bytes:
    file = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def sound(form: str) -> bytes:
    file = BytesIO()
    soundfile.write(file, 0.1 * np.random.default_rng(0).normal(size=4000), 8000, format=form)
    return file.getvalue()


def array() -> bytes:
    file = BytesIO()
    np.save(file, np.random.default_rng(0).normal(size=(9, 2)))
    return file.getvalue()


def parquet() -> bytes:
    file = BytesIO()
    pl.DataFrame({"x": range(30), "label": list("ab") * 15}).write_parquet(file)
    return file.getvalue()


TEXT = ("text,size,label\n" + "".join(f'"one, {i}",{i}.5,{"ab"[i % 2]}\n' for i in range(30))).encode()
SCHEMA = b"inputs:\n  t: {kind: table, numbers: [size]}\ntargets:\n  label: {kind: class, column: label}\n"


def read_table(path: Path) -> object:
    rows = read_rows(path)
    guess = guess_schema(rows, target="label")
    return split_rows(rows, guess.schema)[1].sizes


def read_config(path: Path) -> Schema:
    return read_schema(path)


KINDS: dict[str, tuple[str, bytes, Callable[[Path], Any]]] = {
    "csv": (".csv", TEXT, read_table),
    "tsv": (".tsv", TEXT.replace(b",", b"\t"), read_table),
    "semicolons": (".csv", TEXT.replace(b",", b";"), read_table),
    "parquet": (".parquet", parquet(), read_table),
    "schema": (".yaml", SCHEMA, read_config),
    **{
        form.lower(): (
            f".{form.lower()}",
            picture(form),
            lambda path: (check_image(path), read_image(path, 3)),
        )
        for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
    },
    **{
        form.lower(): (f".{form.lower()}", sound(form), lambda path: load_waveform(path, 8000))
        for form in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU")
    },
    "npy": (".npy", array(), lambda path: read_series(str(path), None)),
    "series": (".csv", b"a,b\n" + b"1,2\n" * 9, lambda path: read_series(str(path), None)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")  # decoders warn of damage that they read over
def test_a_mangled_file_is_read_or_refused_in_our_words(tmp_path: Path, kind: str) -> None:
    suffix, contents, read = KINDS[kind]
    path = tmp_path / f"x{suffix}"

    def read_bytes(raw: bytes) -> None:
        path.write_bytes(raw)
        read(path)

    assert outcomes_of(contents, read_bytes, TRIES)["refused"]
