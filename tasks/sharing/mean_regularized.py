"""Regularised multi-task learning: heads that are drawn to their mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sennit.tasks.sharing._base import check_strength, register_sharing
from sennit.tasks.sharing.hard import Hard


@register_sharing("mean_regularized")
class MeanRegularized(Hard):
    """One trunk for all tasks, and heads that are drawn to their mean.

    The heads are ``w_t = w_0 + v_t``, and the loss gains ``strength · Σ_t ‖v_t‖²``, with w_0 the mean of
    the w_t, intercepts included. With a strength of 0 this is `Hard`; the larger it is, the closer the tasks
    come to one common head.

    Tasks whose heads have the same shape are compared. Where only one head has a shape, its outputs are
    compared: the hundreds of outputs of one masked head, ``Regression(691)``, are then tasks
    at the cost of one. The penalty is part of every step, so it also moves the head of a task without a
    label in the batch towards the others.

    Source: Evgeniou & Pontil, "Regularized Multi-Task Learning", KDD 2004, section 2; there for support
    vector machines; here after a trunk, with the mean of the w_t in place of a penalised w_0.

    Args:
        strength: Weight of the penalty. The loss is a mean over samples: divide by their number to keep a
            prior on the heads equally strong.
        depth: Number of residual blocks, as in `Hard`.
        dropout: Dropout rate in the blocks.
        trunk: Stack to use in place of the blocks, as in `Hard`.

    Shape:
        ``[N, D]`` to ``[N, D]`` for every task, or to the output of the stack.

    Raises:
        ValueError: ``strength`` is below 0, or the options of `Hard` do not fit together.

    Example:
        >>> sharing = MeanRegularized(strength=0.5)
        >>> head = nn.Linear(1, 3, bias=False)
        >>> _ = head.weight.data.copy_(torch.tensor([[1.0], [4.0], [1.0]]))
        >>> sharing.bind_heads({"scores": head})
        >>> sharing.penalty().item()
        3.0
    """

    def __init__(
        self,
        *,
        strength: float = 1e-3,
        depth: int = 0,
        dropout: float = 0.1,
        trunk: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(depth=depth, dropout=dropout, trunk=trunk)
        check_strength("strength", strength)
        self.strength = strength

    def bind_heads(self, heads: Mapping[str, nn.Module]) -> None:
        alike: dict[tuple[Any, ...], list[nn.Module]] = {}
        for head in heads.values():
            shapes = tuple((name, p.shape) for name, p in head.named_parameters())
            alike.setdefault(shapes, []).append(head)
        # Tuples are not registered: the heads belong to the model.
        self.alike = tuple(tuple(group) for group in alike.values())

    def penalty(self) -> Tensor | None:
        distances = []
        for heads in self.alike:
            for together in zip(*(head.parameters() for head in heads), strict=True):
                stacked = torch.stack(together) if len(together) > 1 else together[0]
                if len(stacked) > 1:
                    distances.append((stacked - stacked.mean(0)).square().sum())
        return self.strength * torch.stack(distances).sum() if distances else None
