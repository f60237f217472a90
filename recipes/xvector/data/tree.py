"""A folder for each speaker."""

from __future__ import annotations

from pathlib import Path

from sennit.recipes.xvector.data.corpus import Corpus, Entry
from sennit.recipes.xvector.data.files import audio_below, table_of


def read_tree(folder: Path) -> Corpus:
    """Read any tree ``<speaker>/**/<name>.{wav,flac,ogg}``; a folder below the speaker's is the session."""
    rows = []
    for path in audio_below(folder):
        parts = path.relative_to(folder).parts
        if len(parts) > 1:
            rows.append(Entry(path, parts[0], parts[1] if len(parts) > 2 else ""))
    return table_of(rows, folder, "a folder of recordings for each speaker")
