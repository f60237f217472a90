"""Whether a sound file ends before its container says: libsndfile reads such files without a word."""

from __future__ import annotations

import os
from typing import BinaryIO

_STREAMED = 2_000_000_000
"""Size from which a header is that of a stream, whose writer did not know the length."""
_LAST_PAGE = 1 << 17  # bytes that hold the header of an Ogg file's last page


def is_cut(file: BinaryIO) -> bool:
    """Return whether a WAV, AIFF, AU or Ogg file ends too early.

    FLAC and MP3 say how many samples they hold; reading fewer shows that they are cut.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] in (b"RIFF", b"FORM"):
        order, name = ("little", b"data") if head[:4] == b"RIFF" else ("big", b"SSND")
        return _ends_within(file, size, order, name)
    if head[:4] == b".snd" and len(head) == 12:
        start, length = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:], "big")
        return length < _STREAMED and start + length > size
    if head[:4] == b"OggS":
        file.seek(max(0, size - _LAST_PAGE))
        return _page_ends_within(file.read())
    return False


def _ends_within(file: BinaryIO, size: int, order: str, name: bytes) -> bool:
    at = 12
    while True:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little" if order == "little" else "big")
        if len(head) < 8:
            return True
        if head[:4] == name:
            return length < _STREAMED and at + 8 + length > size
        at += 8 + length + length % 2


def _page_ends_within(tail: bytes) -> bool:
    page = tail[tail.rfind(b"OggS") :]
    lengths = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return len(page) < 27 or len(lengths) < page[26] or len(page) < 27 + len(lengths) + sum(lengths)
