"""How long the steps of a run took, over all its interruptions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from sennit.files import write_json

FILE = "stages.json"


class Stages:
    """Says which step a run is at, and keeps its seconds in ``stages.json``.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.console = folder / FILE, Console()

    @property
    def seconds(self) -> dict[str, float]:
        """By step, in their order."""
        found: dict[str, float] = json.loads(self.path.read_text()) if self.path.is_file() else {}
        return found

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.console.print(f"[bold]{name}[/bold]")
        start = time.perf_counter()
        try:
            yield
        finally:
            before = self.seconds
            write_json(self.path, {**before, name: before.get(name, 0.0) + time.perf_counter() - start})
