"""An MP3 whose first frame says no length is read to its end, with any tags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sennit.encoders.features import load_waveform, sound_length
from sennit.encoders.features._mpeg import _frame

SECONDS = 3


def tagged(size: int) -> bytes:
    """Return an ID3 tag, such as one with a cover."""
    return b"ID3\x04\0\0" + bytes((size >> shift) & 127 for shift in (21, 14, 7, 0)) + bytes(size)


@pytest.mark.parametrize("rate", [44100, 48000, 16000, 8000])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_its_length_is_that_of_its_frames(tmp_path: Path, rate: int, mode: str) -> None:
    t = np.arange(SECONDS * rate) / rate
    noise = 0.05 * np.random.default_rng(0).normal(size=len(t)) * (t > 1)
    path = tmp_path / "a.mp3"
    tone = (0.3 * np.sin(2 * np.pi * 300 * t) + noise).astype(np.float32)
    soundfile.write(path, tone, rate, format="MP3", bitrate_mode=mode, compression_level=0.5)
    whole = path.read_bytes()
    assert len(load_waveform(path, rate)) == SECONDS * rate
    info = _frame(whole, 0)
    assert info is not None
    bare, lengths = whole[info.size :], set()
    for contents in (bare, tagged(20_000) + bare, bare + b"TAG".ljust(128)):
        path.write_bytes(contents)
        lengths.add(len(load_waveform(path, rate)))
        assert sound_length(path) == (max(lengths), rate)
    samples = 1152 if rate > 24000 else 576
    assert len(lengths) == 1
    # The encoder's delay and padding, which the info frame would take away, stay.
    assert 0 <= lengths.pop() - SECONDS * rate <= 4 * samples
    part = load_waveform(path, rate, start_s=2, duration_s=0.5)
    assert float(part.abs().max()) > 0.2
