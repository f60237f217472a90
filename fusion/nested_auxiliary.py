"""The auxiliary vectors of a fusion and of those nested in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sennit.fusion.types import AuxiliaryInfo


def nested_auxiliary_info(
    info: Mapping[str, AuxiliaryInfo],
    leaves: Mapping[str, Collection[str]],
    nested: Mapping[str, Mapping[str, AuxiliaryInfo]],
) -> dict[str, AuxiliaryInfo]:
    """Return the auxiliary vectors on which heads are wanted, by name.

    Args:
        info: Auxiliary vectors of the fusion itself, by encoder.
        leaves: Modalities that each encoder reads.
        nested: Auxiliary vectors of the fusions nested in it, by encoder.
    """
    wanted: dict[str, AuxiliaryInfo] = {}
    for name, modalities in leaves.items():
        if name in info:
            wanted[name] = replace(info[name], modalities=tuple(modalities))
        wanted |= {f"{name}.{key}": inner for key, inner in nested.get(name, {}).items()}
    return wanted
