"""Additive angular margin softmax, also called ArcFace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor

from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.metric._margin import MarginSoftmax

_TINY = 2.0**-23
"""Least square of a sine: as close to 0° or 180° as float32 resolves cosines."""


@register_task("aam_softmax")
class AAMSoftmax(MarginSoftmax):
    """One class of several, separated by angles: the angle to the true class is widened by a margin.

    ``ℓ = −log e^{s cos(θ_y + m)} / (e^{s cos(θ_y + m)} + Σ_{j≠y} e^{s cos θ_j})``. Beyond ``θ_y = π − m``,
    where the cosine would rise again, it is replaced by ``cos θ_y − m sin m``, as in the authors' code.
    Source: Deng et al. 2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition" (eq. 3).

    Its head is linear without a bias, with vectors and classes of length 1. Under a decision fusion the
    candidates' cosines are averaged. Large-margin fine-tuning (Thienpondt et al. 2021) is a second training:
    of a model with the larger margin that starts from the first one's weights.

    Args:
        classes: Number of classes, or their names in the order of the labels.
        margin: Margin m in radians.
        scale: Factor s on the cosines.
        warmup_epochs: Number of epochs in which the margin rises linearly from 0.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, C]`` (cosines), target ``[B]`` (class indices) or ``[B, C]`` (probabilities: the mean of
        the classes' losses), loss ``[B]``.

    Units:
        ``margin`` in radians.

    Raises:
        ValueError: The margin is not from 0 to π/2, the scale is not above 0, ``warmup_epochs`` is below 0;
            a target outside the classes.

    Example:
        >>> import math, torch
        >>> task = AAMSoftmax(2, margin=math.pi / 2, scale=1.0)
        >>> task.loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0])).round(decimals=3)
        tensor([0.6930])
    """

    kind = "aam_softmax"

    def __init__(
        self,
        classes: int | Sequence[str],
        *,
        margin: float = 0.2,
        scale: float = 30.0,
        warmup_epochs: int = 0,
        **options: Unpack[TaskOptions],
    ) -> None:
        if not 0 <= margin <= math.pi / 2:
            raise ValueError(
                f"`margin` should be from 0 to π/2 radians. Found {margin}. Is it in degrees? "
                f"Try `math.radians({margin:g})`."
            )
        super().__init__(classes, margin=margin, scale=scale, warmup_epochs=warmup_epochs, **options)

    def with_margin(self, cosine: Tensor, margin: Tensor) -> Tensor:
        # Not the angle itself, whose gradient is infinite at 0 and 180 degrees.
        sine = ((1 - cosine) * (1 + cosine)).clamp_min(_TINY).sqrt()
        widened = cosine * margin.cos() - sine * margin.sin()
        return torch.where(cosine >= -margin.cos(), widened, cosine - margin * margin.sin())
