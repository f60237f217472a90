"""Weights of trained candidates in files, which children and models take over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from sennit.disk_faults import make_folder
from sennit.files import write_bytes
from sennit.search.batched.candidate import Candidate
from sennit.search.records import Slot


def store_weights(folder: Path, slot: Slot, candidate: Candidate, weights: Mapping[str, Tensor]) -> None:
    """Keep the weights of a candidate, each under the name of its role, for its children and for models."""
    roles = _roles(candidate)
    named = {roles[name]: value.contiguous().cpu() for name, value in weights.items()}
    names = json.dumps({role: name for name, role in roles.items()})
    write_bytes(weights_path(make_folder(folder), slot), save(named, metadata={"names": names}))


def inherit(folder: Path, parent: Slot, candidate: Candidate) -> None:
    """Start with the parent's weights wherever the candidate has the same map of the same input.

    Raises:
        FileNotFoundError: The parent's weights are not in the folder.
        ValueError: They are damaged.
    """
    path = weights_path(folder, parent)
    if not path.is_file():
        raise FileNotFoundError(
            f"the weights of candidate {parent} should be in '{folder}'. Workers that inherit "
            f"weights need one folder in common."
        )
    try:
        weights = load_file(path)
    except SafetensorError:
        raise ValueError(
            f"'{path}' cannot be read as safetensors. Delete the folder, and search again."
        ) from None
    roles = _roles(candidate)
    with torch.no_grad():
        for name, parameter in candidate.named_parameters():
            value = weights.get(roles[name])
            if value is not None and value.shape == parameter.shape:
                parameter.copy_(value)


def weights_path(folder: Path, slot: Slot) -> Path:
    """Return the file of a candidate's weights."""
    return folder / f"{slot[0]}-{slot[1]}.safetensors"


def _roles(candidate: Candidate) -> dict[str, str]:
    """Name each parameter by its role, as the positions of inputs differ between parent and child."""
    genome, roles = candidate.fusion.genome, {}
    for name, _ in candidate.named_parameters():
        path = name.split(".")
        kind = "token" if "tokens" in path else "reading." * ("readings" in path) + path[-1]
        if path[:2] == ["fusion", "cells"]:
            cell = genome.cells[int(path[2])]
            numbers = [int(p) for p in path[3:] if p.isdigit()]
            source = "/".join(cell.inputs[numbers[0]]) if numbers else "state"
            roles[name] = f"cell{path[2]}/{cell.operator}/{source}/{kind}"
        elif path[:2] in (["fusion", "join"], ["fusion", "project"]):
            numbers = [int(p) for p in path[2:] if p.isdigit()]
            source = genome.used[numbers[0]] if numbers else "state"
            roles[name] = f"{path[1]}/{source}/{kind}"
        else:
            k = int(path[-2])
            source = genome.used[k - 1] if k else "state"
            roles[name] = f"{'.'.join(path[:-2])}/{source}/{path[-1]}"
    return roles
