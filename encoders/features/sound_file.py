"""The one way to open a sound file: for a check, for its length, and to read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from sennit.encoders.features._containers import is_cut
from sennit.encoders.features._mpeg import count_frames
from sennit.extras import require

SoundFile = str | Path | bytes
"""A path, or the contents of a file."""


@contextmanager
def open_sound(file: SoundFile) -> Iterator[Any]:
    """Open a sound file with soundfile, whose ``frames`` is the number of samples that it holds.

    Args:
        file: Path, or contents.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is no sound file that libsndfile reads, or ends too early.
        ImportError: soundfile is not installed.
    """
    soundfile = require("soundfile", "audio")
    name = "the sound" if isinstance(file, bytes) else f"'{file}'"
    if not isinstance(file, bytes) and not Path(file).is_file():
        raise FileNotFoundError(f"there should be an audio file at {name}. Found none. Is the path right?")
    with BytesIO(file) if isinstance(file, bytes) else Path(file).open("rb") as stream:
        head = stream.read(3)
        if head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
            stream.seek(0)
            counted = count_frames(stream.read())
            stream = stream if counted is None else BytesIO(counted)
        elif is_cut(stream):
            raise ValueError(
                f"{name} should be a whole sound file. It ends before its header says. Fetch it again."
            )
        stream.seek(0)
        try:
            with soundfile.SoundFile(stream) as sound:
                yield sound
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"{name} should be an audio file that libsndfile reads. Found {_size(file)} bytes, of which "
                f"it says: {error.error_string} Is it whole? Convert other formats to WAV, FLAC or Ogg."
            ) from None


def sound_length(file: SoundFile) -> tuple[int, int]:
    """Return the number of samples of a sound file and its rate in Hz; nothing is decoded.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is no sound file that libsndfile reads, ends too early, or holds no samples.
    """
    with open_sound(file) as sound:
        frames, rate = int(sound.frames), int(sound.samplerate)
    if frames == 0:
        raise ValueError("it holds no samples.")
    return frames, rate


def _size(file: SoundFile) -> int:
    return len(file) if isinstance(file, bytes) else Path(file).stat().st_size
