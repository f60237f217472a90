"""A folder for each speaker."""

from __future__ import annotations

from pathlib import Path

from sennit.recipes.media_files import subset_folders
from sennit.recipes.xvector.data.corpus import Corpus, Entry
from sennit.recipes.xvector.data.files import audio_below, table_of


def read_tree(folder: Path) -> Corpus:
    """Read any tree ``<speaker>/**/<name>``; a folder below the speaker's is the session.

    Raises:
        FileNotFoundError: There is no recording.
        ValueError: The folders are subsets that hold the speakers' folders.
    """
    files = audio_below(folder)
    subsets = subset_folders(folder)
    if subsets:
        raise ValueError(
            f"'{folder}' should hold a folder for each speaker. Found the subsets "
            f"{', '.join(p.name for p in subsets)} with folders in them. Give one of them, such as "
            f"'{subsets[-1]}', or a manifest of all recordings."
        )
    rows = []
    for path in files.paths:
        parts = path.relative_to(folder).parts
        if len(parts) > 1:
            rows.append(Entry(path, parts[0], parts[1] if len(parts) > 2 else ""))
    return table_of(rows, folder, "a folder of recordings for each speaker", files)
