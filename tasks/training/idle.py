"""Tasks that a training never has anything for."""

from __future__ import annotations

from collections.abc import Iterable

from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from sennit.tasks.model.network import Network


class IdleTasks:
    """The tasks that have learned nothing so far, to be warned about once an epoch is through.

    A view whose name is misspelt is in no batch, so that the task that reads it would silently never learn. A
    task that names neither views nor loaders may just have labels too rare for a short epoch.

    Args:
        names: Names of all tasks.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._idle, self._steps, self._from_start = set(names), 0, False

    def step(self, active: Iterable[str], place: int) -> None:
        """Count a step.

        Args:
            active: Names of the tasks that learned from it, and perhaps others.
            place: Place of the step in its epoch.
        """
        self._from_start |= place == 0  # a resumed run may see the rest of an epoch alone
        self._idle.difference_update(active)
        self._steps += 1

    def warn(self, network: Network) -> None:
        """Warn of the tasks that are left, at the end of the first whole epoch."""
        if not self._from_start:
            return
        for name, task in network.tasks_by_name.items():
            names = any(network.needed[name]) or task.loaders is not None
            if name in self._idle and (names or task.target is None):
                self._warn(network, name)
        self._idle.clear()

    def _warn(self, network: Network, name: str) -> None:
        task, views = network.tasks_by_name[name], [view for view in network.needed[name] if view]
        loaders = "" if task.loaders is None else f", of the loaders {task.loaders}"
        with_views = f" with the views {views}" if views else ""
        samples = "a label" if task.target else f"samples to read ({task.least_rows} or more)"
        rank_zero_warn(
            f"task '{name}' should learn from some step of an epoch. Found none in {self._steps} steps: no "
            f"batch had {samples}{with_views}{loaders}. Is a name misspelt?",
            stacklevel=2,
        )
