"""The media files below a folder, and a line for whatever is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sennit.data.media_suffixes import SUFFIXES

_CONVERT = {
    "JPEG or PNG": (".heic", ".heif", ".cr2", ".nef", ".dng", ".svg", ".psd", ".jxl"),
    "WAV, FLAC or MP3": (".m4a", ".aac", ".wma", ".mp4", ".amr", ".sph", ".3gp", ".mov", ".webm", ".mkv"),
}
_SUBSETS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation"}
_SUBSETS |= {"val": "validation", "dev": "validation", "test": "test", "testing": "test"}


def file_kind(name: str) -> str | None:
    """Return ``"image"``, ``"audio"`` or ``"series"`` by a file name's ending, or None.

    Example:
        >>> file_kind("cats/1.JPG"), file_kind("notes.txt")
        ('image', None)
    """
    if "." not in name:  # quickly, as every cell of a table is asked
        return None
    suffix = Path(name).suffix.lower()
    return next((kind for kind, suffixes in SUFFIXES.items() if suffix in suffixes), None)


def subset_of(name: str) -> str | None:
    """Return train, validation or test for a usual name of a subset, such as "dev"; None for any other."""
    return _SUBSETS.get(name.lower())


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is one that systems leave behind: ``.DS_Store``, ``__MACOSX``."""
    return name.startswith(".") or name == "__MACOSX"


@dataclass(frozen=True)
class MediaFiles:
    """The files of some kinds below a folder.

    Attributes:
        paths: Paths, sorted.
        left_out: Number of other files by their endings; those that systems leave behind do not count.
    """

    paths: Sequence[Path]
    left_out: Counter[str]

    @classmethod
    def below(cls, folder: Path, kinds: Iterable[str]) -> MediaFiles:
        """Find the files at any depth."""
        paths, left_out, wanted = [], Counter[str](), set(kinds)
        for path in sorted(folder.rglob("*")):
            if any(map(is_hidden, path.relative_to(folder).parts)) or not path.is_file():
                continue
            if file_kind(path.name) in wanted:
                paths.append(path)
            else:
                left_out[path.suffix.lower() or "without an ending"] += 1
        return cls(paths, left_out)


def left_out_note(left_out: Counter[str]) -> str:
    """Return a sentence about files that are left out; "" if none are.

    Example:
        >>> left_out_note(Counter({".heic": 6, ".txt": 1}))
        '7 files are left out: 6 .heic, 1 .txt. Convert .heic to JPEG or PNG to have them read.'
    """
    if not left_out:
        return ""
    listed = ", ".join(f"{count} {suffix}" for suffix, count in left_out.most_common(8))
    fixes = [
        f" Convert {', '.join(given)} to {formats} to have them read."
        for formats, suffixes in _CONVERT.items()
        if (given := [suffix for suffix in suffixes if suffix in left_out])
    ]
    return f"{left_out.total()} files are left out: {listed}.{''.join(fixes)}"


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without those that systems leave behind."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not is_hidden(p.name))


def subset_folders(folder: Path) -> list[Path]:
    """Return the folders that are subsets of the data, each with folders in it; none in other layouts.

    Raises:
        ValueError: Some folders are subsets and others are not, or a subset holds no folders.
    """
    folders = folders_in(folder)
    subsets = [p for p in folders if subset_of(p.name) and folders_in(p)]
    if subsets and len(subsets) < len(folders):
        others = [p.name for p in folders if p not in subsets]
        raise ValueError(
            f"'{folder}' should hold either subsets with folders in them, or no subset. Found "
            f"{', '.join(p.name for p in subsets)} beside {', '.join(others[:3])}. Move one of the two away, "
            f"or give a .csv file."
        )
    if not subsets and len(folders) > 1 and all(subset_of(p.name) for p in folders):
        raise ValueError(
            f"'{folder}' should hold a folder of files for each class or speaker, or such folders in each "
            f"subset. Found the subsets {', '.join(p.name for p in folders)}, which hold files. Sort the "
            f"files of each into folders, or give a .csv file."
        )
    return subsets
