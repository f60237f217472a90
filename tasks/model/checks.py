"""Checks of the parts of a model against one another, when it is built."""

from __future__ import annotations

from collections.abc import Mapping

from sennit.fusion import FusedEncoder, Fusion
from sennit.fusion.types import LearnedRule
from sennit.registry import unknown_name
from sennit.tasks._base import Task
from sennit.tasks.model.readings import trunk_of
from sennit.tasks.sharing import Sharing
from sennit.tasks.weighting import Weighting

_OTHER_SHARINGS = (
    "Choose 'hard' without blocks, 'mtan' with `encoders=True`, or encoders for each task, as 'cross_stitch' "
    "has without a `trunk`."
)


def check_tasks(
    tasks: Mapping[str, Task], fused: FusedEncoder, sharing: Sharing, weighting: Weighting
) -> None:
    """Refuse tasks that the encoders, the fusion, the sharing or the weighting cannot serve.

    Raises:
        TypeError: A task cannot use another's head or trunk, would train encoders that no answer reads, or
            fusion and sharing mix what it must not read, or the weighting undoes its gradient scale.
        ValueError: No task has a head, or a task names an unknown modality or task.
    """
    if not any(task.has_head for task in tasks.values()):
        raise ValueError("a model needs at least one task with a head. Found none.")
    if not any(task.weighted for task in tasks.values()):
        raise ValueError("a model needs at least one task that is `weighted`. Found none.")
    if not sharing.shares_maps and not any(_reads_vector(task) for task in tasks.values()):
        raise TypeError(
            f"sharing '{sharing.registry_name}' acts on the fused vector, which no task reads: "
            f"{[name for name, task in tasks.items() if task.has_head]} read elsewhere. {_OTHER_SHARINGS}"
        )
    replacing = [name for name, task in tasks.items() if task.replaces]
    if len(replacing) > 1:
        raise TypeError(f"one task at most may replace the batches of a step. Found {replacing}.")
    for name, task in tasks.items():
        for modality in task.reads or ():
            if modality not in fused.modalities:
                raise unknown_name(f"modality that task '{name}' reads", modality, fused.modalities)
        for lender in task.lenders:
            _check_other(name, lender, "task that '{}' is of", tasks)
            task.check(lender, tasks[lender])
        _check_options(name, task)
        _check_trunk(name, task, tasks, sharing)
        if any(source.at == "map" for source in task.sources.values()) and not sharing.shares_maps:
            raise TypeError(
                f"task '{name}' reads the fused map, and sharing '{sharing.registry_name}' acts on the fused "
                f"vector, so that the map would pass it by. {_OTHER_SHARINGS}"
            )
        mixes = sharing.exchanges or sharing.attends
        if task.reads is not None and mixes and fused.fusion.exchanges:
            raise TypeError(
                f"task '{name}' reads {task.reads} alone, but fusion '{fused.fusion.registry_name}' with "
                f"sharing '{sharing.registry_name}' mixes all modalities. Choose another fusion or sharing."
            )
        if task.weighted and task.gradient_scale != 1 and not weighting.keeps_gradient_scale:
            raise TypeError(
                f"task '{name}' has a `gradient_scale`, which weighting '{weighting.registry_name}' would "
                f"undo, as it makes gradients alike. Choose another weighting, or `weighted=False`."
            )


def _check_options(name: str, task: Task) -> None:
    """Refuse options that would do nothing: a place to read without a head, a view that is not read."""
    if not task.has_head:
        of_head = {"reads": task.reads is not None, "through": task.through is not None}
        useless = [option for option, given in of_head.items() if given]
        useless += [] if task.reads_fused else ["sources"]
        if useless:
            raise TypeError(
                f"task '{name}' has no head: it reads what '{task.lenders[0]}' reads. Found {useless}. Leave "
                f"them out, or give them to that task."
            )
    if task.target is not None:
        return
    if task.drawn is not None:
        raise TypeError(
            f"task '{name}' makes its targets itself, so that `drawn` has no meaning. Found "
            f"'{task.drawn}'. Leave it out."
        )
    views = task.views_of(name)
    if task.view not in ("", *views):
        raise TypeError(
            f"task '{name}' would not read its `view`. Found '{task.view}'; a {task.kind} reads {views}. "
            f"Leave it out, or see the options of the kind."
        )
    if task.answers and type(task).predict is Task.predict:
        raise TypeError(
            f"task '{name}' should not have `answers=True`: a {task.kind} has no answers. Leave it out."
        )


def _check_trunk(name: str, task: Task, tasks: Mapping[str, Task], sharing: Sharing) -> None:
    """Refuse a task that reads through another that has no trunk, or whose own trunk serves no answer."""
    trunk = trunk_of(name, task)
    if trunk != name:
        _check_other(name, trunk, "task through which '{}' reads", tasks)
        if not tasks[trunk].reads_fused or trunk_of(trunk, tasks[trunk]) != trunk:
            raise TypeError(
                f"task '{name}' cannot read through '{trunk}', which does not read the fused vector itself."
            )
        if task.reads not in (None, tasks[trunk].reads):
            raise TypeError(
                f"task '{name}' reads through '{trunk}' and so what that reads, {tasks[trunk].reads}. Found "
                f"reads={task.reads}. Leave it out, or leave `through` out."
            )
        return
    if task.has_head and not task.answers and sharing.per_task_encoders and not sharing.exchanges:
        answering = next((other for other, t in tasks.items() if t.answers), "")
        raise TypeError(
            f"task '{name}' would train encoders of its own, which no answer reads, under sharing "
            f"'{sharing.registry_name}'. Name the task that it should help, such as through={answering!r}, "
            f"or choose another sharing."
        )


def check_decisions(tasks: Mapping[str, Task], fusion: Fusion, rules: Mapping[str, LearnedRule]) -> None:
    """Refuse tasks that learn from a decision whose gradient does not reach the encoders.

    Args:
        tasks: Tasks by name.
        fusion: Outermost fusion.
        rules: Learned decision rules of the tasks that have one.

    Raises:
        TypeError: A task would silently train nothing but the rule.
    """
    for name, task in tasks.items():
        outputs = [str(source.of) for source in task.sources.values() if source.at == "output"]
        for other in (*task.lenders, *outputs):
            if other in rules and not rules[other].passes_gradient:
                raise TypeError(
                    f"task '{name}' learns from the decisions of '{other}', and those of fusion "
                    f"'{fusion.registry_name}' pass no gradient to the encoders. Choose another fusion."
                )


def _reads_vector(task: Task) -> bool:
    return task.has_head and any(source.at in ("fused", "output") for source in task.sources.values())


def _check_other(name: str, other: str, kind: str, tasks: Mapping[str, Task]) -> None:
    headed = [t for t, task in tasks.items() if task.has_head]
    if other not in headed:
        raise unknown_name(kind.format(name), other, headed)
