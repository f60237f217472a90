"""Single-task networks as the start of a model with encoders for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import nn

from sennit.registry import unknown_name

if TYPE_CHECKING:
    from sennit.tasks.model.model import MultiTaskModel


def start_from_single_tasks(model: MultiTaskModel, singles: Mapping[str, MultiTaskModel]) -> None:
    """Give each task's encoders, fusion and heads the weights of a model that was trained for it alone.

    Cross-stitch and NDDR networks were published with this start. Mixing coefficients stay as they are.

    Source: Misra et al. 2016, "Cross-stitch Networks for Multi-task Learning" (§4.3); Gao et al. 2019,
    "NDDR-CNN".

    Args:
        model: Model whose sharing has encoders for each task, such as ``cross_stitch`` without a trunk.
        singles: Single-task model for each task with a head, of the same encoders and fusion, in which the
            task has the same name.

    Raises:
        TypeError: The tasks of the model have their encoders in common.
        ValueError: A task is unknown or has no model, or a model's parts differ.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, CrossStitch, MultiTaskModel
        >>> def make(tasks, **more):
        ...     encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        ...     fusion = create_fusion("gated", encoders)
        ...     return MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks, **more)
        >>> tasks = {"y": Classification(2), "z": Classification(3)}
        >>> model = make(tasks, sharing=CrossStitch())
        >>> start_from_single_tasks(model, {name: make({name: task}) for name, task in tasks.items()})
    """
    if not model.sharing.per_task_encoders:
        raise TypeError(
            f"`model` should have encoders for each task. Found one set of them, with sharing "
            f"'{model.sharing.registry_name}'. Use 'cross_stitch' without a trunk."
        )
    for name in singles:
        if name not in model.readings.owners:
            raise unknown_name("task in `singles`", name, model.readings.owners)
    missing = [name for name in model.readings.owners if name not in singles]
    if missing:
        raise ValueError(f"`singles` should have a model for each task with a head. Found none of {missing}.")
    for name, column in zip(model.readings.owners, model.columns, strict=True):
        single = singles[name]
        if name not in single.readings.owners:
            raise unknown_name(f"task with a head in `singles['{name}']`", name, single.readings.owners)
        pairs: list[tuple[str, nn.Module, nn.Module]] = [
            ("encoders and fusion", single.fused_encoder, column),
            ("head", single.heads[name], model.heads[name]),
            ("auxiliary heads", single.auxiliary_heads[name], model.auxiliary_heads[name]),
        ]
        for what, source, target in pairs:
            try:
                target.load_state_dict(source.state_dict(), strict=True)
            except RuntimeError as error:
                raise ValueError(
                    f"the {what} of `singles['{name}']` should be as those of the model: {error}"
                ) from None
