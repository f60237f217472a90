"""The Free Spoken Digit Dataset (Jackson et al.)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.xvector.data.corpus import Corpus, Entry
from sennit.recipes.xvector.data.files import audio_below, table_of
from sennit.registry import check_names

_NAME = re.compile(r"(\d)_(\w+)_(\d+)")
_TEST_RECORDINGS = 5  # of a digit by a speaker: the official test part
PARTS = ("train", "test")


def read_fsdd(folder: Path, parts: Sequence[str]) -> Corpus:
    """Read ``<digit>_<speaker>_<number>.wav`` at any depth, with the digit as a label.

    Args:
        folder: Folder of the recordings.
        parts: ``"train"``, ``"test"`` or both: numbers below 5 are the official test.

    Raises:
        FileNotFoundError: There is no recording.
        ValueError: A part is unknown.
    """
    check_names("part of the Free Spoken Digit Dataset", parts, PARTS)
    rows = []
    for path in audio_below(folder).paths:
        match = _NAME.fullmatch(path.stem)
        if match and PARTS[int(match[3]) < _TEST_RECORDINGS] in parts:
            rows.append(Entry(path, match[2], "", {"digit": match[1]}))
    return table_of(rows, folder, "recordings <digit>_<speaker>_<number>")
