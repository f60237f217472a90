"""Additive margin softmax, also called CosFace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from torch import Tensor

from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.metric._margin import MarginSoftmax


@register_task("am_softmax")
class AMSoftmax(MarginSoftmax):
    """One class of several, separated by angles: the true class's cosine is lowered by a margin.

    ``ℓ = −log e^{s(cos θ_y − m)} / (e^{s(cos θ_y − m)} + Σ_{j≠y} e^{s cos θ_j})``.
    Source: Wang et al. 2018, "Additive Margin Softmax for Face Verification" (eq. 6).

    Its head is linear without a bias, with vectors and classes of length 1. Under a decision fusion the
    candidates' cosines are averaged.

    Args:
        classes: Number of classes, or their names in the order of the labels.
        margin: Margin m, on the scale of a cosine.
        scale: Factor s on the cosines.
        warmup_epochs: Number of epochs in which the margin rises linearly from 0.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, C]`` (cosines), target ``[B]`` (class indices) or ``[B, C]`` (probabilities: the mean of
        the classes' losses), loss ``[B]``.

    Raises:
        ValueError: The margin is not from 0 to less than 2, the scale is not above 0, ``warmup_epochs`` is
            below 0; a target outside the classes.

    Example:
        >>> import torch
        >>> AMSoftmax(2, margin=1.0, scale=1.0).loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
        tensor([0.6931])
    """

    kind = "am_softmax"

    def __init__(
        self,
        classes: int | Sequence[str],
        *,
        margin: float = 0.2,
        scale: float = 30.0,
        warmup_epochs: int = 0,
        **options: Unpack[TaskOptions],
    ) -> None:
        if not 0 <= margin < 2:
            raise ValueError(f"`margin` should be from 0 to less than 2, as cosines are. Found {margin}.")
        super().__init__(classes, margin=margin, scale=scale, warmup_epochs=warmup_epochs, **options)

    def with_margin(self, cosine: Tensor, margin: Tensor) -> Tensor:
        return cosine - margin
