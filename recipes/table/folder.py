"""A folder that holds one folder of files for each class."""

from __future__ import annotations

from pathlib import Path

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
SOUNDS = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"})
SERIES = frozenset({".npy", ".csv"})


def file_kind(name: str) -> str | None:
    """``"image"``, ``"audio"`` or ``"series"`` by a file name's ending, or None.

    Example:
        >>> file_kind("cats/1.JPG"), file_kind("notes.txt")
        ('image', None)
    """
    suffix = Path(name).suffix.lower()
    known = {"image": IMAGES, "audio": SOUNDS, "series": SERIES}
    return next((kind for kind, suffixes in known.items() if suffix in suffixes), None)


def list_folder(folder: Path) -> dict[str, list[str]]:
    """The columns ``file`` (relative to the folder) and ``class`` of the files in each sub-folder.

    Raises:
        ValueError: No sub-folders, one without files, or files of several kinds.
    """
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise ValueError(
            f"'{folder}' should hold one folder for each class. Found none. Give a .csv or .parquet "
            f"file, or put the files of each class into a folder of its own."
        )
    columns: dict[str, list[str]] = {"file": [], "class": []}
    first: dict[str, str] = {}
    for own in classes:
        found = sorted(p for p in own.rglob("*") if file_kind(p.name) in ("image", "audio"))
        if not found:
            raise ValueError(f"'{own}' should hold images or sound files. Found none. Remove the folder.")
        for path in found:
            name = path.relative_to(folder).as_posix()
            first.setdefault(file_kind(name) or "", name)
            columns["file"].append(name)
            columns["class"].append(own.name)
    if len(first) > 1:
        raise ValueError(
            f"'{folder}' should hold files of one kind. Found {' and '.join(sorted(first))} "
            f"({', '.join(repr(n) for n in first.values())}). For several kinds give a .csv file."
        )
    return columns
