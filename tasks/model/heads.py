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
        sources: Readers of the tasks whose heads read elsewhere; such a task has one head, unless it reads
            the maps of the candidates.
    """
    heads = {}
    for name, task in tasks.items():
        reader = sources.get(name)
        count = candidates if reader is None or reader.of_candidates else 1
        heads[name] = nn.ModuleList(
            [
                task.build_head(in_dim) if reader is None else task.build_source_head(reader.dims)
                for _ in range(count)
            ]
        )
    return heads


def build_auxiliary_heads(
    tasks: Mapping[str, Task],
    vectors: Mapping[str, AuxiliaryInfo],
    sources: Mapping[str, SourceReader] = _NONE,
) -> NamedModules[NamedModules[nn.Module]]:
    """Make the heads of each task on the fusion's auxiliary vectors, except those that it may not read.

    A dense task that reads the fused map has heads on the auxiliary maps; one that reads elsewhere has none.

    Args:
        tasks: Tasks that have heads of their own.
        vectors: Size and modalities of each auxiliary vector.
        sources: Readers of the tasks whose heads read elsewhere.
    """
    heads = {}
    for name, task in tasks.items():
        reader, reads = sources.get(name), task.reads
        dims = {
            vector: info.dim if reader is None else info.map_dim if reader.of_fused_map else None
            for vector, info in vectors.items()
            if reads is None or not set(reads).isdisjoint(info.modalities)
        }
        heads[name] = NamedModules({v: task.build_head(dim) for v, dim in dims.items() if dim is not None})
    return NamedModules(heads)
