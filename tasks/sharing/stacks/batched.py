"""Several stacks of one shape as one computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sennit.tasks.sharing.stacks._base import Stack, build_stack


def make_stacks(config: Mapping[str, Any], in_dim: int, count: int) -> list[Stack]:
    """Create stacks of one kind that `run_together` can run, each with its own initial weights.

    Raises:
        TypeError: Stacks of this kind have buffers, such as running statistics.
    """
    stacks = [build_stack(config, in_dim) for _ in range(count)]
    if any(True for stack in stacks for _ in stack.buffers()):
        raise TypeError(
            f"stacks that run together should have no buffers, such as the statistics of a BatchNorm. "
            f"Found {sorted(n for n, _ in stacks[0].named_buffers())} in stack '{config['name']}'."
        )
    return stacks


def run_together(
    modules: Sequence[nn.Module] | nn.ModuleList,
    x: Tensor,
    *,
    separate: bool = False,
    learns: Sequence[bool] | None = None,
) -> Tensor:
    """Run modules of one shape on one input, or each on its own, by batched matrix products.

    Each module keeps its parameters, so that one whose task is inactive gets no gradient at all. The modules
    run one by one if there is only one, while compiling, and where one of their submodules has
    ``batched = False``.

    Args:
        modules: Modules that differ only in the values of their parameters.
        x: Input of all modules or, with ``separate``, of each module.
        separate: Whether the first axis of ``x`` counts the modules.
        learns: Whether each module gets gradients; all by default. Gradients reach ``x`` through every
            module.

    Shape:
        ``[N, D]``, with ``separate`` ``[S, N, D]``, to ``[S, N, D']``.

    Example:
        >>> layers = [nn.Linear(3, 2) for _ in range(4)]
        >>> run_together(layers, torch.ones(5, 3)).shape
        torch.Size([4, 5, 2])
    """
    learning = [True] * len(modules) if learns is None else learns
    if len(modules) == 1 or torch.compiler.is_compiling() or not _batched(modules[0]):
        read = x if separate else [x] * len(modules)
        return torch.stack([_run(m, r, on) for m, r, on in zip(modules, read, learning, strict=True)])
    parameters = [dict(module.named_parameters()) for module in modules]
    values = [
        torch.stack([p[name] if on else p[name].detach() for p, on in zip(parameters, learning, strict=True)])
        for name in parameters[0]
    ]
    together = dict(zip(parameters[0], values, strict=True))
    base = modules[0]

    def run(values: dict[str, Tensor], x: Tensor) -> Tensor:
        out: Tensor = functional_call(base, values, (x,))
        return out

    out: Tensor = vmap(run, in_dims=(0, 0 if separate else None), randomness="different")(together, x)
    return out


def _batched(module: nn.Module) -> bool:
    return all(getattr(part, "batched", True) for part in module.modules())


def _run(module: nn.Module, x: Tensor, learns: bool) -> Tensor:
    fixed = {} if learns else {name: p.detach() for name, p in module.named_parameters()}
    out: Tensor = functional_call(module, fixed, (x,)) if fixed else module(x)
    return out
