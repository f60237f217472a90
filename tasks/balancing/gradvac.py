"""Gradient vaccine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sennit.tasks.balancing._base import Level, register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, norms_and_cosines

_CLOSEST = 1 - 1e-6  # two gradients of the same direction need an infinite weight


@register_balancing("gradvac")
class GradVac(GramianRule):
    """Each pair of gradients is pulled towards the similarity that the pair has had on average.

    For each task i, over the others j in random order: with φ the cosine between the current g_i and the
    original g_j, and ``φ < φ̂_ij``, ``g_i ← g_i + ‖g_i‖ (φ̂ √(1 − φ²) − φ √(1 − φ̂²)) /
    (‖g_j‖ √(1 − φ̂²)) g_j``, after which the cosine is φ̂; then ``φ̂_ij ← (1 − β) φ̂_ij + β φ``. The
    update is the sum. The φ̂ start at zero, where the rule is that of PCGrad, and are a buffer over the
    pairs of all tasks, so that an inactive one's stay. Random orders come from torch's generator.
    Unlike torchjd's, the φ̂ are in the state dict and outlast steps in which a task is inactive.
    Source: Wang et al. 2021, "Gradient Vaccine" (algorithm 1, eqs. 2 and 3).

    Args:
        beta: Rate at which φ̂ follows; 0.01 as in the paper.
        level: Gradients from which the Gramian is taken; see `Balancing`.

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Raises:
        ValueError: ``beta`` out of range, or a Gramian of more tasks than the rule is bound to.

    Example:
        >>> rule = GradVac()
        >>> rule.bind(("a", "b"))
        >>> rule.weights(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
        tensor([1.5000, 1.5000])
    """

    similarities: Tensor

    def __init__(self, *, beta: float = 0.01, level: Level = "features") -> None:
        super().__init__(level=level)
        if not 0 <= beta <= 1:
            raise ValueError(f"`beta` should be from 0 to 1. Found {beta}.")
        self.beta = beta
        self.bind(())
        self._rows: list[int] | None = None

    def bind(self, tasks: Sequence[str]) -> None:
        self.register_buffer("similarities", torch.zeros(len(tasks), len(tasks), dtype=torch.float64))

    def weights_of(self, gramian: Tensor, active: Sequence[bool]) -> Tensor:
        self._rows = [k for k, on in enumerate(active) if on]
        weights = self.weights(gramian)
        self._rows = None
        return weights

    def solve(self, gramian: Array, rounding: float) -> Array:
        norms, cosines = norms_and_cosines(gramian)
        rows = list(range(len(gramian))) if self._rows is None else self._rows
        if rows[-1] >= len(self.similarities):
            raise ValueError(
                f"the rule should be bound to the tasks of its Gramian. Found {rows[-1] + 1} tasks or more, "
                f"bound to {len(self.similarities)}. Call `bind(tasks)`, as the Learner does."
            )
        index = torch.tensor(rows)
        aims: list[list[float]] = self.similarities.cpu()[index[:, None], index].tolist()
        lengths: list[float] = norms.tolist()
        table: list[list[float]] = cosines.tolist()
        mixtures = [self._vaccinate(i, table, lengths, aims[i]) for i in range(len(rows))]
        moved = self.similarities.clone()
        moved[index[:, None], index] = torch.tensor(aims, dtype=torch.float64).to(moved.device)
        self.similarities = moved
        # So far these are mixtures of unit vectors. A zero gradient is not one, and stays as it is.
        total = np.sum(mixtures, axis=0)
        weights: Array = np.divide(total, norms, out=np.ones_like(norms), where=norms > 0)
        return weights

    def _vaccinate(
        self, i: int, cosines: list[list[float]], lengths: list[float], aims: list[float]
    ) -> list[float]:
        """Return the mixture of unit gradients that g_i becomes; its aims are updated."""
        mixture = [0.0] * len(lengths)
        mixture[i] = lengths[i]
        # Kept up to date: the mixture's products with all unit gradients, and with itself.
        along, squared = [lengths[i] * x for x in cosines[i]], lengths[i] ** 2
        for j in torch.randperm(len(lengths)).tolist():
            if j == i or lengths[i] == 0 or lengths[j] == 0:
                continue
            length = math.sqrt(max(squared, 0.0))
            cosine = min(max(along[j] / length, -1.0), 1.0) if length > 0 else 0.0
            aim = min(aims[j], _CLOSEST)
            if cosine < aim:
                root = math.sqrt(1 - aim * aim)
                step = length * (aim * math.sqrt(1 - cosine * cosine) - cosine * root) / root
                mixture[j] += step
                squared += step * (2 * along[j] + step)
                along = [x + step * y for x, y in zip(along, cosines[j], strict=True)]
            aims[j] = (1 - self.beta) * aims[j] + self.beta * cosine
        return mixture
