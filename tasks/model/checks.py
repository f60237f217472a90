"""Checks of the parts of a model against one another, when it is built."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.fusion import FusedEncoder
from sennit.registry import unknown_name
from sennit.tasks._base import Task
from sennit.tasks.sharing import Sharing


def check_tasks(tasks: Mapping[str, Task], fused: FusedEncoder, sharing: Sharing) -> None:
    """Refuse tasks that the encoders, the fusion or the sharing cannot serve.

    Raises:
        TypeError: A task cannot use another's head, or fusion and sharing mix what it must not read.
        ValueError: No task has a head, or a task names an unknown modality or task.
    """
    if not any(task.of is None for task in tasks.values()):
        raise ValueError("a model needs at least one task with a head. Found none.")
    for name, task in tasks.items():
        for modality in task.reads or ():
            if modality not in fused.modalities:
                raise unknown_name(f"modality that task '{name}' reads", modality, fused.modalities)
        if task.of is not None:
            if task.of not in tasks:
                raise unknown_name(f"task that '{name}' is of", task.of, tasks)
            task.check(tasks[task.of])
        if task.reads is not None and sharing.exchanges and fused.fusion.exchanges:
            raise TypeError(
                f"task '{name}' reads {task.reads} alone, but fusion '{fused.fusion.registry_name}' with "
                f"sharing '{sharing.registry_name}' mixes all modalities. Choose another fusion or sharing."
            )
