"""A recording that ends too early is refused, whatever its format; a stream without a length is not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sennit.encoders.features import load_waveform, sound_length
from sennit.recipes.table.reading.media import check_sound
from tests.cases.wav import RATE, write_wav

FORMATS = ("wav", "aiff", "au", "flac", "ogg", "mp3")


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_cut_recording_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    path = write_wav(tmp_path / f"x.{ending}", 4)
    raw = path.read_bytes()
    assert len(load_waveform(path, RATE)) == 4 * RATE
    path.write_bytes(raw[: round(share * len(raw))])
    for read in (lambda: load_waveform(path, RATE), lambda: check_sound(str(path), RATE, decode=True)):
        with pytest.raises(ValueError, match=r"Fetch it again|Is it whole"):
            read()
    with pytest.raises(ValueError, match=r"Fetch it again|Is it whole"):
        load_waveform(path.read_bytes(), RATE)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 2_000_000_000, 0x7FFFFFFF])
def test_a_streamed_header_without_a_length_is_read_to_the_end(tmp_path: Path, size: int) -> None:
    path = write_wav(tmp_path / "x.wav", 4)
    raw = bytearray(path.read_bytes())
    data = raw.index(b"data")
    raw[4:8] = raw[data + 4 : data + 8] = struct.pack("<I", size)
    path.write_bytes(raw)
    assert sound_length(path) == (4 * RATE, RATE)
    assert len(load_waveform(path, RATE)) == 4 * RATE


def test_a_codec_that_cannot_seek_is_read_from_any_place(tmp_path: Path) -> None:
    x = (0.2 * np.random.default_rng(0).normal(size=16000)).astype(np.float32)
    soundfile.write(tmp_path / "g.wav", x, RATE, subtype="GSM610")
    whole = load_waveform(tmp_path / "g.wav", RATE)
    part = load_waveform(tmp_path / "g.wav", RATE, start_s=0.5, duration_s=0.25)
    assert len(whole) >= 16000
    assert part.tolist() == whole[4000:6000].tolist()
