"""The files of a saved model: their names, their checksums, and how they replace those of another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sennit.files import read_json_object, sha256

CONFIG, WEIGHTS, ASSETS = "config.json", "model.safetensors", "assets"


def refuse_members(folder: Path) -> None:
    """Refuse a folder whose model has further members, which only its own class reads.

    Raises:
        ValueError: It has.
    """
    members = [name for name in _listed(folder) if name.endswith(".safetensors") and name != WEIGHTS]
    if members:
        others = f" and {len(members) - 1} more" if len(members) > 1 else ""
        raise ValueError(
            f"'{folder}' should hold one net. Found a model of several members, '{members[0]}'{others}, of "
            f"which the first would answer alone. Load all with `sennit.TableModel.load('{folder}')`."
        )


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Refuse files that are not those that were saved; a model of before there were checksums has none."""
    for name, checksum in files.items():
        path = folder / name
        if not path.is_file() or sha256(path) != checksum:
            state = "other contents" if path.exists() else "no file"
            raise ValueError(
                f"'{path}' should be the file that was saved. Found {state}: it was changed or damaged "
                f"since. Restore it from a copy; after a change of your own, delete 'files' in "
                f"'{folder / CONFIG}'."
            )


def exchange(new: Path, folder: Path, old: Path) -> None:
    """Move our files in ``folder`` to ``old`` and those of ``new`` in; undo all of it on a fault.

    Files of the earlier model go, those too that the new one lacks.
    """
    old.mkdir()
    ours = {CONFIG, WEIGHTS, ASSETS, *(path.name for path in new.iterdir())}
    ours |= {name.partition("/")[0] for name in _listed(folder)}
    moves = [(folder / name, old / name) for name in sorted(ours) if (folder / name).exists()]
    moves += [(path, folder / path.name) for path in new.iterdir()]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            os.replace(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            os.replace(target, source)
        raise


def _listed(folder: Path) -> list[str]:
    """Return the files that the config in a folder lists; none where there is no such config."""
    try:
        return list(read_json_object(folder / CONFIG, ("files",))["files"])
    except (OSError, ValueError):
        return []
