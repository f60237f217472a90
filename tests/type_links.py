"""Links that lay the rooms inside `sennit`, for tools that read files and do not see `sennit.__path__`.

`python -m tests.type_links` writes ``.types/sennit``, on which mypy and import-linter work.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "encoders", "fusion", "tasks", "search", "recipes", "testing")


def main() -> None:
    """Link the files of ``sennit/`` and the rooms into ``.types/sennit``; remove links to deleted files."""
    folder = ROOT / ".types" / "sennit"
    folder.mkdir(parents=True, exist_ok=True)
    for link in folder.iterdir():
        if not link.exists():
            link.unlink()
    files = [path for path in (ROOT / "sennit").iterdir() if path.name != "__pycache__"]
    for path in (*files, *(ROOT / room for room in ROOMS)):
        link = folder / path.name
        if not link.is_symlink():
            link.symlink_to(path)


if __name__ == "__main__":
    main()
