"""Parameter groups and optimizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch.optim import AdamW, Optimizer

from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.parts import part_of_each
from sennit.tasks.training.layer_decay import layer_factors

OptimizerFactory = Callable[[list[dict[str, Any]]], Optimizer]
"""From parameter groups, with their learning rates and weight decays, to an optimizer."""


def parameter_groups(
    model: MultiTaskModel,
    *,
    lr: float,
    weight_decay: float,
    lr_scale: Mapping[str, float],
    layer_decay: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Return groups for an optimizer: by learning rate, and by whether their parameters decay.

    A module may have an ``lr_multiplier``, which multiplies the learning rate of its parameters once more.

    Args:
        model: Model to train.
        lr: Learning rate.
        weight_decay: Weight decay of matrices and filters.
        lr_scale: Factors of the learning rate, by part of the model.
        layer_decay: Factor of the learning rate from each layer of an encoder to the one below, by modality.

    Raises:
        ValueError: Nothing is left to train, or a part that the model does not have.
    """
    of_weighting = {id(p) for p in model.weighting.parameters()}
    part_of = part_of_each(model, lr_scale)
    multiplier_of = {
        id(p): float(getattr(module, "lr_multiplier", 1.0))
        for module in model.modules()
        if hasattr(module, "lr_multiplier")
        for p in module.parameters()
    }
    of_layer = layer_factors(model, layer_decay or {})
    groups: dict[str, dict[str, Any]] = {}
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        decays = p.dim() >= 2 and "weight" in name.rpartition(".")[2] and id(p) not in of_weighting
        part = part_of.get(id(p), "")
        multiplier = multiplier_of.get(id(p), 1.0) * of_layer.get(id(p), 1.0)
        key = f"{part or 'model'}, {'decayed' if decays else 'spared'}"
        key += "" if multiplier == 1 else f", {multiplier:g} times the rate"
        options = {
            "name": key,
            "lr": lr * lr_scale.get(part, 1.0) * multiplier,
            "weight_decay": weight_decay if decays else 0.0,
            "params": [],
        }
        groups.setdefault(key, options)["params"].append(p)
    if not groups:
        raise ValueError("a model should have something to train. Found every part frozen.")
    return list(groups.values())


def make_optimizer(
    groups: list[dict[str, Any]], factory: OptimizerFactory | None, *, fused: bool
) -> Optimizer:
    """Return a factory's optimizer, or AdamW.

    Args:
        groups: Parameter groups.
        factory: Function from the groups to an optimizer; AdamW when None.
        fused: Whether AdamW is the fused one.

    Raises:
        TypeError: The factory returns something else.
    """
    if factory is None:
        return AdamW(groups, fused=fused)
    optimizer = factory(groups)
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"`optimizer` should return an Optimizer from parameter groups, as torch.optim.SGD does. "
            f"Found a {type(optimizer).__name__}."
        )
    return optimizer


def describe(factory: Any) -> str:
    """Return a factory's name and options, which are the same in every process.

    Example:
        >>> import torch
        >>> from functools import partial
        >>> describe(partial(torch.optim.SGD, momentum=0.9))
        'torch.optim.sgd.SGD(momentum=0.9)'
    """
    if hasattr(factory, "func"):  # functools.partial
        options = [*map(repr, factory.args), *(f"{k}={v!r}" for k, v in sorted(factory.keywords.items()))]
        return f"{describe(factory.func)}({', '.join(options)})"
    named = factory if hasattr(factory, "__qualname__") else type(factory)
    return f"{named.__module__}.{named.__qualname__}"
