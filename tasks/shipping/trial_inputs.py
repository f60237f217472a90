"""Inputs on which an exported model is compared with the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.data import InputSpec, View
from sennit.tasks.shipping.fixed_modalities import mask_of

Inputs = dict[str, Tensor]


def examples(specs: Mapping[str, InputSpec], modalities: Sequence[str], example: View | None) -> list[Inputs]:
    """Return several samples, and the last of them alone, without its padding.

    Args:
        specs: Input specs of the modalities.
        modalities: Modalities that every sample has.
        example: Source of the samples; made up when None.

    Raises:
        ValueError: The example lacks one of the modalities somewhere.
    """
    if example is None:
        several = _made_up({m: specs[m] for m in modalities})
    else:
        several = _taken({m: specs[m] for m in modalities}, example)
    alone = {name: x[-1:] for name, x in several.items()}
    for name in modalities:
        if specs[name].sequence:
            valid = alone[mask_of(name)][0]
            alone[name], alone[mask_of(name)] = alone[name][:, valid], valid[valid].unsqueeze(0)
    return [several, alone]


def _taken(specs: Mapping[str, InputSpec], example: View) -> Inputs:
    taken = {}
    for name, spec in specs.items():
        if name not in example.inputs or not bool(example.present[name].all()):
            raise ValueError(f"`example` should have '{name}' in every sample. Leave the others out of it.")
        spec.check(name, example.inputs[name])
        x = taken[name] = example.inputs[name].cpu().to(spec.dtype)  # the type that the program takes
        if spec.sequence:
            whole = torch.ones(x.shape[:2], dtype=torch.bool)
            taken[mask_of(name)] = example.masks[name].cpu() if name in example.masks else whole
    # From a single sample the graph would take 1 for the only batch size.
    return {n: torch.cat([x, x]) if len(x) == 1 else x for n, x in taken.items()}


def _made_up(specs: Mapping[str, InputSpec], *, size: int = 3) -> Inputs:
    random = torch.Generator().manual_seed(0)
    made: Inputs = {}
    for name, spec in specs.items():
        shape = spec.absent_shape()
        if spec.sequence:
            shape = (16 * shape[0], *shape[1:])  # a graph traced on a few steps does not accept all lengths
        # 0 and 1 are ids of any vocabulary, and codes of any category.
        made[name] = torch.randint(2, (size, *shape), generator=random).to(spec.dtype)
        if spec.allows_nan:
            made[name][torch.rand(made[name].shape, generator=random) < 0.2] = torch.nan
        elif spec.dtype.is_floating_point:
            made[name] = torch.randn(size, *shape, generator=random)
        if spec.sequence:
            lengths = torch.linspace(shape[0], 0.75 * shape[0], size).long()
            made[mask_of(name)] = torch.arange(shape[0]) < lengths.unsqueeze(1)
    return made
