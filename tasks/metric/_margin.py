"""The base of the softmax losses with a margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled.classification import Classification


class Cosines(nn.Module):
    """Cosines of the angles between a vector and the direction of each class.

    Computed in float32 whatever the surrounding precision: near 1, bfloat16 has one value for all angles
    up to 5°.

    Shape:
        ``[..., in_dim]`` to ``[..., classes]``.
    """

    def __init__(self, in_dim: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, in_dim))
        nn.init.xavier_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(F.normalize(x.float(), dim=-1), F.normalize(self.weight.float(), dim=-1))


class MarginSoftmax(Classification):
    """Cross-entropy over scaled cosines, with the cosine of the true class reduced by a margin.

    The current margin, ``current_margin``, is saved with the weights, so that a training resumed within an
    epoch continues with it. `on_epoch_start` sets it: in epoch e, counted from 0, it is
    ``margin · min(1, e / warmup_epochs)``.
    """

    current_margin: Tensor

    def __init__(
        self,
        classes: int | Sequence[str],
        *,
        margin: float,
        scale: float,
        warmup_epochs: int,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(classes, **options)
        if not 0 < scale < math.inf:
            raise ValueError(f"`scale` should be more than 0. Found {scale}.")
        if warmup_epochs < 0:
            raise ValueError(f"`warmup_epochs` should be 0 or more. Found {warmup_epochs}.")
        self.margin, self.scale, self.warmup_epochs = margin, scale, warmup_epochs
        self.register_buffer("current_margin", torch.zeros(()))
        self.on_epoch_start(0)

    def on_epoch_start(self, epoch: int) -> None:
        self.current_margin.fill_(self.margin * min(1.0, epoch / max(1, self.warmup_epochs)))
        if self.warmup_epochs == 0:
            self.current_margin.fill_(self.margin)

    def build_head(self, in_dim: int) -> nn.Module:
        return Cosines(in_dim, self.out_dim)

    def with_margin(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """Return the reduced cosine of the true class.

        Shape:
            cosine ``[B, 1]`` (or ``[B, C]``, each as if it were that of the true class), margin a scalar,
            result as the cosine.
        """
        raise NotImplementedError

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        if target.is_floating_point():
            return self._soft_loss(output.float(), target)
        cosines, column = output.float(), target.unsqueeze(-1)
        try:
            true = cosines.gather(-1, column)
        except RuntimeError:  # on the CPU; a GPU stops with an assertion
            raise self._outside(target) from None
        true = self.with_margin(true, self.current_margin.float())
        return super().loss(self.scale * cosines.scatter(-1, column, true), target)

    def _soft_loss(self, cosines: Tensor, target: Tensor) -> Tensor:
        """Return the mean of the classes' losses, each with the margin at that class."""
        x = self.scale * cosines
        reduced = self.scale * self.with_margin(cosines, self.current_margin.float())
        none = x.new_full((*x.shape[:-1], 1), -torch.inf)
        before = torch.cat([none, x[..., :-1].logcumsumexp(-1)], -1)
        after = torch.cat([x[..., 1:].flip(-1).logcumsumexp(-1).flip(-1), none], -1)
        total = before.logaddexp(after).logaddexp(reduced)  # of each class with the margin at it
        mean = (x.sum(-1, keepdim=True) - x + reduced) / x.shape[-1]
        return self.mean_by_class(total - reduced, total - mean, target)

    def output_for(self, target: Tensor) -> Tensor:
        """Return vectors in place of the cosines, which have these probabilities without a margin."""
        return super().output_for(target) / self.scale

    def log_probabilities(self, output: Tensor) -> None:  # type: ignore[override]
        """Return None: rules over probabilities have no margin, so the candidates' cosines are averaged."""

    def scores(self, logits: Tensor) -> Tensor:
        """Return probabilities, without a margin, since the true class is unknown."""
        return super().scores(self.scale * logits.float())

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the divergence of the probabilities without a margin."""
        return super().divergence(self.scale * teacher.float(), self.scale * student.float())

    def entropy(self, output: Tensor) -> Tensor:
        """Return the entropy of the probabilities without a margin."""
        return super().entropy(self.scale * output.float())
