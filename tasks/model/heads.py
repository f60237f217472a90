"""The heads of a model: one for each task and candidate, and those on auxiliary vectors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from sennit.fusion.types import AuxiliaryInfo
from sennit.named_modules import NamedModules
from sennit.tasks._base import Task
from sennit.tasks.model.sources import SourceReader

_NONE: Mapping[str, SourceReader] = {}


def build_heads(
    tasks: Mapping[str, Task], in_dim: int, candidates: int, sources: Mapping[str, SourceReader] = _NONE
) -> dict[str, nn.ModuleList]:
    """Make the heads of each task.

    Args:
        tasks: Tasks that have heads of their own.
        in_dim: Size of the features.
        candidates: Number of candidates of the fusion; 1 unless it is a decision fusion.
        sources: Readers of the tasks whose heads read elsewhere; such a task has one head.
    """
    return {
        name: nn.ModuleList([task.build_source_head(sources[name].dims)])
        if name in sources
        else nn.ModuleList([task.build_head(in_dim) for _ in range(candidates)])
        for name, task in tasks.items()
    }


def build_auxiliary_heads(
    tasks: Mapping[str, Task], vectors: Mapping[str, AuxiliaryInfo]
) -> NamedModules[NamedModules[nn.Module]]:
    """Make the heads of each task on the fusion's auxiliary vectors, except those that it may not read.

    Args:
        tasks: Tasks that have heads of their own.
        vectors: Size and modalities of each auxiliary vector.
    """
    return NamedModules(
        {
            name: NamedModules(
                {
                    vector: task.build_head(info.dim)
                    for vector, info in vectors.items()
                    if task.reads is None or not set(task.reads).isdisjoint(info.modalities)
                }
            )
            for name, task in tasks.items()
        }
    )
