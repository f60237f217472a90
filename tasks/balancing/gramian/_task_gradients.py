"""The tasks' gradients at all uses of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, reduce

import torch
from torch import Tensor

from sennit.tasks.balancing.boundary import weighted_sum
from sennit.tasks.balancing.gramian._graph import Use
from sennit.tasks.balancing.gramian._rule import inner_products
from sennit.tasks.balancing.gramian.fallback import FallbackRule


class TaskGradients:
    """The tasks' gradients: of parameters, or at the outputs of the operations that have rules.

    Args:
        uses: Uses, at most one of each parameter.
        count: Number of tasks, T.
        like: A tensor on the device of the gradients.

    Attributes:
        formed: Uses at which the parameters' gradients are formed.
        flat: Those gradients side by side ``[T, P]``.
        layers: Gradients ``[T, ...]`` at the outputs of the operations of the other uses.
    """

    def __init__(self, uses: Sequence[Use], count: int, like: Tensor) -> None:
        self.formed = [use for use in uses if isinstance(use.rule, FallbackRule)]
        self.layers: dict[Use, Tensor] = {}
        self._sizes = [use.parameter.numel() for use in self.formed]
        kinds = [use.parameter.dtype for use in self.formed] or [like.dtype]
        kind = reduce(torch.promote_types, kinds)
        self.flat = torch.empty(count, sum(self._sizes), dtype=kind, device=like.device)
        self._reached = [False] * len(self.formed)

    def take(self, use: Use, grads: Tensor) -> None:
        """Keep the gradients ``[T, ...]`` of all tasks at a use."""
        if isinstance(use.rule, FallbackRule):
            self._reached[self.formed.index(use)] = True
            self.of_each[use.parameter].copy_(grads)
        else:
            self.layers[use] = grads

    def take_formed(self, task: int, gradients: Sequence[Tensor | None]) -> None:
        """Keep one task's gradients of the parameters of `formed`, in their order."""
        if not gradients:
            return
        pairs = zip(gradients, self._sizes, strict=True)
        flat = [self.flat.new_zeros(n) if g is None else g.reshape(-1) for g, n in pairs]
        torch.cat(flat, out=self.flat[task])
        self._reached = [r or g is not None for r, g in zip(self._reached, gradients, strict=True)]

    @cached_property
    def of_each(self) -> dict[Tensor, Tensor]:
        """The formed gradients ``[T, ...]``, by parameter."""
        parameters = [use.parameter for use in self.formed]
        apart = torch.split(self.flat, self._sizes, 1)
        return {p: g.view(len(g), *p.shape) for p, g in zip(parameters, apart, strict=True)}

    @torch.no_grad()
    def gramian(self) -> Tensor:
        """Return the inner products ``[T, T]`` over all parameters, at least in float32."""
        total = inner_products(self.flat)
        for use, grads in self.layers.items():
            total = total + use.rule.products(grads)
        return total

    @torch.no_grad()
    def gramian_of_each(self) -> dict[Tensor, Tensor]:
        """Return the inner products ``[T, T]`` of each parameter."""
        formed = {p: inner_products(g) for p, g in self.of_each.items()}
        return formed | {use.parameter: use.rule.products(g) for use, g in self.layers.items()}

    @torch.no_grad()
    def mixed(self, weights: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each parameter with ``Σ_t w_t ∂L_t/∂θ``, as a backward pass with these weights would.

        Parameters that get no gradient from any task are left out.

        Shape:
            weights ``[T]``.
        """
        apart = torch.split(weighted_sum(weights, self.flat), self._sizes)
        mixed = [
            (use.parameter, g.view_as(use.parameter).to(use.parameter.dtype))
            for use, g, reached in zip(self.formed, apart, self._reached, strict=True)
            if reached
        ]
        for use, grads in self.layers.items():
            gradient = use.rule.gradients(weighted_sum(weights, grads).unsqueeze(0))[0]
            for move in use.moves:
                gradient = move(gradient)
            mixed.append((use.parameter, gradient))
        return mixed
