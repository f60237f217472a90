"""Fast adaptive multitask optimization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.tasks._base import Task
from sennit.tasks.weighting._adam import adam_step, add_adam_state
from sennit.tasks.weighting._base import Weighting, register_weighting

_EPSILON = 1e-8


@register_weighting("famo")
class FAMO(Weighting):
    """Weights learned from the losses before and after each step, so that all fall at the same rate.

    ``L = c Σ_k z_k log(ℓ_k − b_k)`` with ``z = softmax(w)`` and ``c = (Σ_k z_k / (ℓ_k − b_k))^{−1}``
    held fixed; after the step, an Adam step on w with gradient ``Jᵀ_z(w) δ``, where
    ``δ_k = log ℓ_k(before) − log ℓ_k(after)`` on the same batch. Inactive tasks take no part: z is a
    softmax over the active ones. The state of Adam is in buffers, so that a run resumes exactly.
    Source: B. Liu et al. 2023, "FAMO: Fast Adaptive Multitask Optimization" (algorithm 1, eq. 9).

    Args:
        lr: Learning rate of the task logits; 0.025 as in the paper.
        weight_decay: Weight decay γ of the task logits; 0.001 as in the paper.
        min_loss: Lower bound b of every loss.

    Shape:
        losses ``[K]`` (above ``min_loss``), active ``K`` bools, result a scalar.

    Example:
        >>> from sennit.tasks import Classification
        >>> weighting = FAMO()
        >>> weighting.bind({"a": Classification(3), "b": Classification(3)})
        >>> _ = weighting(torch.tensor([2.0, 2.0]), (True, True))
        >>> weighting.after_step(torch.tensor([1.0, 2.0]), (True, True))
        >>> (weighting.logits[0] < weighting.logits[1]).item()  # the task that did not improve gains weight
        True
    """

    recheck = True
    logits: Tensor
    before: Tensor

    def __init__(self, *, lr: float = 0.025, weight_decay: float = 1e-3, min_loss: float = 0.0) -> None:
        super().__init__()
        self.lr, self.weight_decay, self.min_loss = lr, weight_decay, min_loss

    def bind(self, tasks: Mapping[str, Task]) -> None:
        self.register_buffer("logits", torch.zeros(len(tasks)))
        add_adam_state(self, len(tasks))
        self.register_buffer("before", torch.zeros(len(tasks)))

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        on = torch.tensor(active, device=losses.device)
        shifted = (losses - self.min_loss).float() + _EPSILON
        if self.training:
            self.before = torch.where(on, shifted.detach(), self.before)
        z = self._weights(self.logits, on)
        c = 1 / torch.where(on, z / shifted, 0).sum().detach()
        return (c * torch.where(on, z * shifted.clamp(min=_EPSILON).log(), 0)).sum()

    def after_step(self, losses: Tensor, active: Sequence[bool]) -> None:
        on = torch.tensor(active, device=losses.device)
        after = (losses.detach() - self.min_loss).float() + _EPSILON
        delta = self.before.log() - after.log()
        on = on & delta.isfinite()  # a gradient scaler skips the step of one that is not
        delta = torch.where(on, delta, 0)
        z = self._weights(self.logits, on)
        gradient = z * (delta - (z * delta).sum())  # Jᵀδ of the softmax
        self.logits = adam_step(
            self, self.logits, gradient, active, on, lr=self.lr, weight_decay=self.weight_decay
        )

    @staticmethod
    def _weights(logits: Tensor, on: Tensor) -> Tensor:
        return logits.masked_fill(~on, -torch.inf).softmax(0)
