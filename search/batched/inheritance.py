"""Weights that a candidate takes over from its parent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sennit.search.batched.candidate import Candidate
from sennit.search.records import Slot
from torch import Tensor


def store_weights(folder: Path, slot: Slot, candidate: Candidate, weights: Mapping[str, Tensor]) -> None:
    """Keep the weights of a candidate for its children, each under what it is a weight of."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, slot)
    new = path.with_name(f".{path.name}-{os.getpid()}")
    named = _meanings(candidate)
    save_file({named[name]: value.contiguous().cpu() for name, value in weights.items()}, new)
    os.replace(new, path)


def inherit(folder: Path, parent: Slot, candidate: Candidate) -> None:
    """Start with the parent's weights wherever the candidate has the same map of the same input.

    Raises:
        FileNotFoundError: The parent's weights are not in the folder.
    """
    path = _path(folder, parent)
    if not path.is_file():
        raise FileNotFoundError(
            f"the weights of candidate {parent} should be in '{folder}'. Workers that inherit "
            f"weights need one folder in common."
        )
    known = load_file(path)
    meanings = _meanings(candidate)
    with torch.no_grad():
        for name, parameter in candidate.named_parameters():
            value = known.get(meanings[name])
            if value is not None and value.shape == parameter.shape:
                parameter.copy_(value)


def _path(folder: Path, slot: Slot) -> Path:
    return folder / f"{slot[0]}-{slot[1]}.safetensors"


def _meanings(candidate: Candidate) -> dict[str, str]:
    """By name of the parameter what it is of: positions of inputs differ between parent and child."""
    genome, found = candidate.fusion.genome, {}
    for name, _ in candidate.named_parameters():
        parts = name.split(".")
        if parts[:2] == ["fusion", "cells"]:
            cell = genome.cells[int(parts[2])]
            place = [int(p) for p in parts[3:] if p.isdigit()]
            of = "/".join(cell.inputs[place[0]]) if place else "state"
            name = f"cell{parts[2]}/{cell.operator}/{of}/{'token' if 'tokens' in parts else parts[-1]}"
        elif parts[:2] in (["fusion", "join"], ["fusion", "project"]):
            place = [int(p) for p in parts[2:] if p.isdigit()]
            of = genome.used[place[0]] if place else "state"
            name = f"{parts[1]}/{of}/{'token' if 'tokens' in parts else parts[-1]}"
        else:
            k = int(parts[-2])
            name = f"{'.'.join(parts[:-2])}/{genome.used[k - 1] if k else 'state'}/{parts[-1]}"
        found[".".join(parts)] = name
    return found
