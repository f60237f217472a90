"""What a search shows while it runs."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sennit.search.study.history import History

_SILENCE_S = 20.0


class SearchProgress:
    """A bar with the generation, the best error so far and the candidates paid for; a context manager.

    Where there is no bar to move, as in a log, a line every twenty seconds.

    Args:
        name: Of the study.
        total: Candidates of the whole search.
        shown: Whether to show it; what must be said (`say`) is said in any case.
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
        self._said = time.monotonic()
        self._best = float("inf")
        self._read = self._copied = 0

    def __enter__(self) -> SearchProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, history: History) -> None:
        """Show what is known."""
        for record in history.records[self._read :]:
            self._best = min(self._best, record.evaluation.error)
            self._copied += record.copied_from is not None
        self._read = len(history.records)
        best = f"best error {self._best:.4f}, " if history.records else ""
        text = f"{self._name}: generation {history.generation}, {best}{history.told - self._copied} paid for"
        self._progress.update(self._bar, completed=history.told, description=text)
        console = self._progress.console
        if self._shown and not console.is_terminal and time.monotonic() - self._said > _SILENCE_S:
            self._said = time.monotonic()
            console.print(text)

    def say(self, text: str) -> None:
        """A line of its own."""
        self._progress.console.print(text, style="yellow")
