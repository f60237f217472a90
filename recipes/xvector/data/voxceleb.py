"""VoxCeleb 1 and 2 (Nagrani et al. 2017, Chung et al. 2018)."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from sennit.files import open_text
from sennit.recipes.xvector.data.corpus import Corpus, Entry
from sennit.recipes.xvector.data.files import audio_below, table_of

_SPEAKER = re.compile(r"id\d{5}")


def read_voxceleb(folder: Path) -> Corpus:
    """Read ``id10001/<video>/*.wav`` at any depth; the video is the session.

    The sex of each speaker is read from ``vox1_meta.csv`` or ``vox2_meta.csv`` in the folder, if present.
    VoxCeleb 2 comes as ``.m4a``, which libsndfile does not read: convert it first.
    """
    sex: dict[str, str] = {}
    for name in ("vox1_meta.csv", "vox2_meta.csv"):
        if (folder / name).is_file():
            sex |= _sex(folder / name)
    files = audio_below(folder)
    rows = [
        Entry(path, path.parent.parent.name, path.parent.name, {"sex": sex.get(path.parent.parent.name, "")})
        for path in files.paths
        if _SPEAKER.fullmatch(path.parent.parent.name)
    ]
    return table_of(rows, folder, "recordings id<5 digits>/<video>/<name>", files)


def _sex(path: Path) -> dict[str, str]:
    with open_text(path) as file:
        text = file.read()
    rows = csv.reader(text.splitlines(), delimiter="\t" if "\t" in text.partition("\n")[0] else ",")
    head = [name.strip() for name in next(rows)]
    if "Gender" not in head:
        raise ValueError(f"'{path}' should have a column 'Gender'. Found {head}. Fetch it again.")
    column = head.index("Gender")
    return {row[0].strip(): row[column].strip().upper() for row in rows if len(row) > column}
