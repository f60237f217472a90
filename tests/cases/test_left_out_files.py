"""Files that are not read are counted, and one list of endings serves both recipes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sennit.data.augment.waveform.clips import Clips
from sennit.recipes.table import load_data, read_rows
from sennit.recipes.xvector.data import read_corpus
from tests.cases.wav import RATE, write_wav


def test_every_kind_of_recording_is_read_and_the_rest_is_said(tmp_path: Path) -> None:
    for speaker, endings in {"ann": ("wav", "mp3"), "bob": ("mp3", "aiff"), "dora": ("flac", "ogg")}.items():
        for ending in endings:
            write_wav(tmp_path / speaker / f"0.{ending}", 0.5)
    (tmp_path / "eve").mkdir()
    (tmp_path / "eve" / "0.m4a").write_bytes(b"ftypM4A")
    write_wav(tmp_path / "loose.wav")
    write_wav(tmp_path / "__MACOSX" / "0.wav")
    (tmp_path / "ann" / "._0.wav").write_bytes(b"\0\5\x16\7")
    corpus = read_corpus(tmp_path, "tree")
    assert (len(corpus), corpus.speakers) == (6, ("ann", "bob", "dora"))
    assert corpus.note == (
        "1 recordings in other places than the layout's are left out. 1 files are left out: 1 .m4a. "
        "Convert .m4a to WAV, FLAC or MP3 to have them read."
    )


@pytest.mark.parametrize("ending", ["wav", "mp3", "aiff", "ogg"])
def test_noises_are_read_in_the_same_formats(tmp_path: Path, ending: str) -> None:
    write_wav(tmp_path / f"0.{ending}", 0.5)
    (tmp_path / "._0.wav").write_bytes(b"\0\5\x16\7")
    assert Clips.read(tmp_path, RATE, seconds=0.25).lengths.tolist() == [RATE // 4]


def test_a_corpus_of_other_formats_only_is_refused_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "id00012" / "video" / "0.m4a"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"ftypM4A")
    with pytest.raises(FileNotFoundError, match=r"Found none.* Convert .m4a to WAV, FLAC or MP3"):
        read_corpus(tmp_path, "voxceleb")


def test_pictures_of_other_formats_and_what_a_mac_leaves_behind(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        for i in range(6):
            Image.new("RGB", (4, 4)).save(tmp_path / kind / f"{i}.jfif", format="JPEG")
            (tmp_path / kind / f"{i}.heic").write_bytes(b"ftypheic")
            (tmp_path / kind / f"._{i}.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._0.png").write_bytes(b"\0\5\x16\7")
    schema, rows = load_data(str(tmp_path), None)
    assert schema.to_dict()["targets"]["class"]["classes"] == ["cat", "dog"]
    assert len(rows) == 12
    assert rows.notes[0] == (
        "12 files are left out: 12 .heic. Convert .heic to JPEG or PNG to have them read."
    )
    Image.new("RGB", (4, 4)).save(tmp_path / "loose.png")
    assert read_rows(tmp_path).notes[0].startswith("13 files are left out: 12 .heic, 1 .png.")
    (tmp_path / "owl").mkdir()
    (tmp_path / "owl" / "0.heic").write_bytes(b"ftypheic")
    with pytest.raises(ValueError, match=r"owl' should hold images .* Convert .heic"):
        read_rows(tmp_path)
