"""The progress display of a search."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sennit.search.study.history import History

_INTERVAL_S = 20.0


class SearchProgress:
    """A bar with the generation, the best error so far and the number of trained candidates.

    It is a context manager. Without a terminal, as in a log, it prints a line every twenty seconds.

    Args:
        name: Name of the study.
        total: Number of candidates of the whole search.
        shown: Whether to show the bar; messages (`say`) are shown in any case.
    """

    def __init__(self, name: str, total: int, *, shown: bool) -> None:
        self._name, self._shown = name, shown
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), disable=not shown)
        self._bar = self._progress.add_task(name, total=total)
        self._printed = time.monotonic()
        self._best = float("inf")
        self._counted = self._copied = 0

    def __enter__(self) -> SearchProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, history: History) -> None:
        """Show the state of the search."""
        for record in history.records[self._counted :]:
            self._best = min(self._best, record.evaluation.error)
            self._copied += record.copied_from is not None
        self._counted = len(history.records)
        best = f"best error {self._best:.4f}, " if history.records else ""
        text = (
            f"{self._name}: generation {history.generation}, {best}{history.finished - self._copied} trained"
        )
        self._progress.update(self._bar, completed=history.finished, description=text)
        console = self._progress.console
        if self._shown and not console.is_terminal and time.monotonic() - self._printed > _INTERVAL_S:
            self._printed = time.monotonic()
            console.print(text)

    def say(self, text: str) -> None:
        """Print a message."""
        self._progress.console.print(text, style="yellow")
