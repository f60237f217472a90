"""The seconds of each step of a run, over all interruptions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from sennit.files import read_json_object, write_json

FILE = "stages.json"


class Stages:
    """A printer of the current step of a run, which keeps its seconds in ``stages.json``.

    Args:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.console = folder / FILE, Console()

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds of each step, in order."""
        seconds: dict[str, float] = read_json_object(self.path) if self.path.is_file() else {}
        return seconds

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.console.print(f"[bold]{name}[/bold]")
        start = time.perf_counter()
        try:
            yield
        finally:
            before = self.seconds
            write_json(self.path, {**before, name: before.get(name, 0.0) + time.perf_counter() - start})
