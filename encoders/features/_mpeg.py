"""The number of frames of an MP3, which files without an info frame do not say.

Decoders estimate their length from the first frame: whole files seem cut, and long ones are read in part.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_KBITS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class _Frame(NamedTuple):
    size: int
    side_info: int
    header: bytes


def count_frames(data: bytes) -> bytes | None:
    """Return an MP3 that lacks an info frame with one that says its number of frames, without its tags.

    Returns:
        The file; None for one that has the number, and for any other format.
    """
    first = _after_tags(data)
    frame = _frame(data, first) if _find(data, first) == first else None
    if frame is None or _says_its_length(data, first, frame):
        return None
    count, at = 0, first
    while (start := _find(data, at)) is not None:
        current = _frame(data, start)
        if current is None or start + current.size > len(data):
            break
        count, at = count + 1, start + current.size
    return _info_frame(frame.header, count) + data[first:]


def _after_tags(data: bytes) -> int:
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        a, b, c, d = data[at + 6 : at + 10]
        at += 10 + ((a & 127) << 21 | (b & 127) << 14 | (c & 127) << 7 | d & 127)
    while data[at : at + 1] == b"\0":  # padding that some writers leave
        at += 1
    return at


def _frame(data: bytes, at: int) -> _Frame | None:
    """Return the frame of layer III that begins at a position, or None."""
    header = data[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, rate = header[1] >> 3 & 3, header[2] >> 2 & 3
    kbits = _KBITS[3 if version == 3 else 2][header[2] >> 4]
    if version == 1 or rate == 3 or not kbits:
        return None
    size = (144000 if version == 3 else 72000) * kbits // _HZ[version][rate] + (header[2] >> 1 & 1)
    mono = header[3] >> 6 == 3
    return _Frame(size, (17 if mono else 32) if version == 3 else (9 if mono else 17), header)


def _find(data: bytes, at: int) -> int | None:
    """Return the position of the next frame that another one, or the end, follows."""
    while (at := data.find(b"\xff", at)) >= 0:
        frame = _frame(data, at)
        if frame is not None:
            end = at + frame.size
            if end >= len(data) or _frame(data, end) is not None or data[end : end + 3] in (b"TAG", b"APE"):
                return at
        at += 1
    return None


def _says_its_length(data: bytes, at: int, frame: _Frame) -> bool:
    tag = data[at + 4 + frame.side_info :][:8]
    return tag[:4] in (b"Xing", b"Info") and bool(tag[7:8] > b"\0" and tag[7] & 1)


def _info_frame(header: bytes, count: int) -> bytes:
    """Return a frame of 64 kbit/s whose contents are the number of frames."""
    bitrate = 5 if header[1] >> 3 & 3 == 3 else 8
    plain = bytes([header[0], header[1] | 1, bitrate << 4 | header[2] & 0x0C, header[3]])
    frame = _frame(plain, 0)
    assert frame is not None
    tag = plain + bytes(frame.side_info) + b"Xing" + struct.pack(">II", 1, count)
    return tag.ljust(frame.size, b"\0")
