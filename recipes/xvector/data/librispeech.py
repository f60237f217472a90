"""LibriSpeech (Panayotov et al. 2015), whole or in part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sennit.files import open_text
from sennit.recipes.xvector.data.corpus import Corpus, Entry
from sennit.recipes.xvector.data.files import audio_below, table_of
from sennit.registry import check_names


def read_librispeech(folder: Path, subsets: Sequence[str]) -> Corpus:
    """Read ``<subset>/<speaker>/<chapter>/*.flac``, with the sex of each speaker from ``SPEAKERS.TXT``.

    Args:
        folder: Folder ``LibriSpeech``, or the one that holds it.
        subsets: Names of subsets, such as ``["train-clean-100"]``.

    Raises:
        FileNotFoundError: There is no recording.
        ValueError: A subset does not exist; close names are listed.
    """
    root = folder / "LibriSpeech" if (folder / "LibriSpeech").is_dir() else folder
    existing = sorted(p.name for p in root.iterdir() if p.is_dir())
    check_names(f"subset in '{root}'", subsets, existing)
    sex = _sex(root / "SPEAKERS.TXT")
    rows = [
        Entry(path, path.parent.parent.name, path.parent.name, {"sex": sex.get(path.parent.parent.name, "")})
        for subset in subsets
        for path in audio_below(root / subset).paths
        if len(path.relative_to(root / subset).parts) == 3
    ]
    return table_of(rows, root, "recordings <subset>/<speaker>/<chapter>/<name>")


def _sex(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with open_text(path) as file:
        lines = [line.split("|") for line in file.read().splitlines() if not line.startswith(";")]
    return {fields[0].strip(): fields[1].strip() for fields in lines if len(fields) > 1}
