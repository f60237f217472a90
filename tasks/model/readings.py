"""Readings: the heads that each task's loss needs, and whose features these read."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.tasks._base import Task


class Readings:
    """The heads that the tasks read, each with the task whose trunk gives its features.

    A task with a head of its own has a reading of its own name, and so has one without a head that is ``of``
    one other. Where a task needs further heads, as a student with its own head does, or one that compares
    several tasks, these readings are called ``"<task> of <other>"``.

    Args:
        tasks: Tasks by name.

    Attributes:
        task_of: Task of each reading.
        head_of: Task whose head each reading applies.
        trunk_of: Task through whose encoders, fusion and sharing each reads.
        of_task: Readings of each task.
        owners: Tasks with a trunk of their own, in their order.

    Example:
        >>> from sennit.tasks import Classification, Consistency
        >>> same = Consistency(of="y", teacher="weak", student="strong")
        >>> Readings({"y": Classification(2), "same": same}).head_of
        {'y': 'y', 'same': 'y'}
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.task_of: dict[str, str] = {}
        self.head_of: dict[str, str] = {}
        self.trunk_of: dict[str, str] = {}
        self.of_task: dict[str, tuple[str, ...]] = {}
        trunks = {name: trunk_of(name, task) for name, task in tasks.items()}
        self.owners = tuple(name for name, task in tasks.items() if task.has_head and trunks[name] == name)
        for name, task in tasks.items():
            heads = {f"{name} of {lender}": lender for lender in task.lenders}
            if task.has_head:
                heads = {name: name, **heads}
            elif len(heads) == 1:
                heads = dict.fromkeys([name], task.lenders[0])
            self.of_task[name] = tuple(heads)
            for reading, head in heads.items():
                self.task_of[reading], self.head_of[reading] = name, head
                self.trunk_of[reading] = trunks[head]

    def lent(self, name: str) -> dict[str, str]:
        """Return the reading of the head of each task that a task is ``of``, by that task."""
        return {self.head_of[r]: r for r in self.of_task[name] if self.head_of[r] != name}


def trunk_of(name: str, task: Task) -> str:
    """Return the task through whose trunk a task's head reads: itself, unless it says otherwise."""
    outputs = [source.of for source in task.sources.values() if source.at == "output"]
    return next((of for of in outputs if of is not None), task.through or name)


def taught_views(name: str, task: Task) -> tuple[str, ...]:
    """Return the views that a teacher reads for a task; none where the task needs no teacher."""
    views = task.teacher_views_of(name) if task.needs_teacher else ()
    return task.views_of(name) if views is None else views
