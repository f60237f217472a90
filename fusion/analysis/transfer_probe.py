"""Small models of modalities or pairs, and their transfer to others; see `heterogeneity`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

RESTARTS, HIDDEN, DECAY = 4, 16, 1.0


class ScoredTask(Protocol):
    """A task that a probe trains on and scores with; every labelled task of `sennit.tasks` is one.

    Attributes:
        out_dim: Size of a head's output.
    """

    out_dim: int

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample, ``[B]``, or of each part of its target."""
        ...

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return one score for the labelled samples; 1 is the best possible."""
        ...


@dataclass(frozen=True)
class Trained:
    """Body and head of the best of the restarts, by training loss, and its score on held-out samples."""

    shared: tuple[Tensor, ...]
    score: float


class TransferProbe:
    """Trains ``head(body([A_m x_m; …]))``, several at once, on full batches with AdamW.

    Args:
        objective: Task with labels.
        train: Vectors by modality, and targets.
        held_out: Vectors and targets of other samples.
        width: Width of the body's input and of the linear maps.
        steps: Number of steps of each training.
        seed: Random seed, on which alone the random numbers depend.
    """

    def __init__(
        self,
        objective: ScoredTask,
        train: tuple[Mapping[str, Tensor], Tensor],
        held_out: tuple[Mapping[str, Tensor], Tensor],
        *,
        width: int,
        steps: int,
        seed: int,
    ) -> None:
        self.objective, self.train, self.held_out = objective, train, held_out
        self.width, self.steps, self.seed = width, steps, seed

    def learn(self, item: Sequence[str]) -> Trained:
        """Return the model of an item, trained from random weights."""
        random = torch.Generator().manual_seed(self.seed)
        w, hidden, out = len(item) * self.width, HIDDEN, self.objective.out_dim
        sizes = [(w, hidden), (1, hidden), (hidden, out), (1, out)]
        shared = [self._start(random, RESTARTS, *size) for size in sizes]
        adapters = self._adapters(random, item, RESTARTS)
        losses = self._optimise([*adapters, *shared], adapters, shared, item)
        best = int(losses.argmin())
        kept = tuple(p.detach()[best : best + 1] for p in shared)
        return Trained(kept, self._score([a[best : best + 1] for a in adapters], kept, item))

    def transfer(self, models: Sequence[Trained], item: Sequence[str]) -> Tensor:
        """Return the item's score under each model ``[models]``, its linear maps trained anew."""
        random = torch.Generator().manual_seed(self.seed + 1)
        every = zip(*(m.shared for m in models), strict=True)
        shared = [torch.cat(tensors).repeat_interleave(RESTARTS, 0) for tensors in every]
        adapters = self._adapters(random, item, RESTARTS)
        adapters = [a.detach().repeat(len(models), 1, 1).requires_grad_() for a in adapters]
        losses = self._optimise(adapters, adapters, shared, item).reshape(len(models), RESTARTS)
        best = losses.argmin(1) + RESTARTS * torch.arange(len(models))
        return torch.tensor(
            [
                self._score([a[i : i + 1] for a in adapters], [p[i : i + 1] for p in shared], item)
                for i in best.tolist()
            ]
        )

    def _start(self, random: torch.Generator, *shape: int) -> Tensor:
        return (torch.randn(*shape, generator=random) / math.sqrt(shape[1])).requires_grad_()

    def _adapters(self, random: torch.Generator, item: Sequence[str], count: int) -> list[Tensor]:
        return [self._start(random, count, self.train[0][m].shape[1] + 1, self.width) for m in item]

    def _output(
        self,
        vectors: Mapping[str, Tensor],
        adapters: Sequence[Tensor],
        shared: Sequence[Tensor],
        item: Sequence[str],
    ) -> Tensor:
        """Return outputs ``[models, N, out_dim]``."""
        # The last row of a linear map is its bias.
        mapped = [vectors[m] @ a[:, :-1] + a[:, -1:] for m, a in zip(item, adapters, strict=True)]
        first, bias, head, head_bias = shared
        hidden = torch.relu(torch.cat(mapped, 2) @ first + bias)
        return hidden @ head + head_bias

    def _optimise(
        self,
        parameters: Sequence[Tensor],
        adapters: Sequence[Tensor],
        shared: Sequence[Tensor],
        item: Sequence[str],
    ) -> Tensor:
        """Train all models side by side and return their last losses."""
        vectors, target = self.train
        optimizer = torch.optim.AdamW(parameters, lr=0.02, weight_decay=DECAY)
        losses = torch.zeros(0)
        with torch.enable_grad():
            for _ in range(self.steps):
                output = self._output(vectors, adapters, shared, item)
                again = target.repeat(len(output), *[1] * (target.dim() - 1))
                losses = self.objective.loss(output.flatten(0, 1), again).reshape(len(output), -1).mean(1)
                optimizer.zero_grad()
                torch.autograd.backward(losses.sum())
                optimizer.step()
        return losses.detach()

    @torch.no_grad()
    def _score(self, adapters: Sequence[Tensor], shared: Sequence[Tensor], item: Sequence[str]) -> float:
        vectors, target = self.held_out
        output = self._output(vectors, adapters, shared, item)[0]
        return self.objective.score(output, target, torch.ones(target.shape, dtype=torch.bool))
