"""Result files whose measured code has changed since.

``python -m benchmarks.stale`` lists them, with the rooms of Sennit that differ; a file without a hash of
its code was measured before files held one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sennit.recipes.harness import code

RESULTS = Path(__file__).parent / "results"


def stale(folder: Path, current: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the rooms that have changed since each result file, by path; files of this code are left out.

    Args:
        folder: Folder of result files.
        current: Hash of each room, as `sennit.recipes.harness.code` returns it.
    """
    changed = {}
    for path in sorted(folder.rglob("*.json")):
        measured = json.loads(path.read_text()).get("code", {})
        rooms = [room for room, source in current.items() if measured.get(room) != source]
        if rooms:
            changed[path.relative_to(folder).as_posix()] = rooms
    return changed


def main() -> None:
    """List the stale files."""
    for path, rooms in stale(RESULTS, code()).items():
        date = json.loads((RESULTS / path).read_text())["date"]
        print(f"{path}, of {date[:10]}: {', '.join(rooms)}")


if __name__ == "__main__":
    main()
