"""Files that are cut, changed, doubled or moved, as hypothesis draws it, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FOREIGN = (
    "Traceback",
    "polars",
    "could not parse",
    "codec can't",
    "libmpg",
    "invalid literal",
    "dtype(",
    "Expecting",
    "Error while",
    "deserializing",
    "Missing key",
    "pickle",
    "zip",
    "magic number",
    "yaml.",
)
"""Words of other libraries, which no error of ours has."""
_PIECES = tuple(b'" "" , ; \t \n \r\n \0 NA \xff \xe9 1e999 - { null [] nan'.split(b" "))

Edit = tuple[int, float, float, int, bytes]
EDITS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.floats(0, 1),
        st.floats(0, 1),
        st.integers(0, 255),
        st.sampled_from((*_PIECES, b" ")),
    ),
    min_size=1,
    max_size=4,
)
"""Up to four edits: which, at which share of the file, to which share, with which byte or piece."""


def mangled(contents: bytes, edits: list[Edit]) -> bytes:
    """Return contents cut, with bytes changed, doubled, moved, or pieces put in."""
    raw = bytearray(contents)
    for kind, start, end, byte, piece in edits:
        at, other = (int(share * len(raw)) for share in (start, end))
        match kind:
            case 0:
                raw[at : at + 1] = bytes([byte])
            case 1:
                raw[at:at] = piece
            case 2:
                del raw[min(at, other) : max(at, other)]
            case 3:
                del raw[at:]
            case _:
                raw[at:at] = raw[min(at, other) : max(at, other)][:200]
    return bytes(raw)


def outcomes_of(contents: bytes, read: Callable[[bytes], Any], tries: int) -> Counter[str]:
    """Return how many mangled files were read and how many refused; any other error fails.

    Args:
        contents: Contents of the whole file.
        read: Function that reads mangled contents.
        tries: Number of files, the same ones each time.
    """
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=tries,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(EDITS)
    def attempt(edits: list[Edit]) -> None:
        try:
            read(mangled(contents, edits))
        except (ValueError, FileNotFoundError) as error:
            foreign = [word for word in FOREIGN if word in str(error)]
            if foreign:
                raise
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1

    attempt()
    print(f"{sum(outcomes.values())} files: {dict(outcomes)}")
    return outcomes
