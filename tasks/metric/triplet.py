"""An embedding in which samples lie nearer to their class than to others."""

from __future__ import annotations

import math
from typing import Literal, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.registry import check_names
from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.metric._embedding import EmbeddingTask

_MINING = ("semi_hard", "hard", "all")


@register_task("triplet")
class Triplet(EmbeddingTask):
    """An embedding trained with triplets of each batch: anchor a, positive p of its class, negative n.

    With embeddings of length 1 a triplet costs ``m + ‖a − p‖² − ‖a − n‖²``, at least zero. A sample's loss as
    an anchor is, by the choice of triplets:

    - ``"semi_hard"``: the mean over those whose negative is farther than the positive by at most m.
    - ``"hard"``: that of its farthest positive and its nearest negative.
    - ``"all"``: the mean over all of them.

    It is zero without a triplet. No triplet is formed: of the negatives, sorted by distance, those that count
    for a positive are neighbours, and their sum is a difference of two sums, so that memory grows with
    ``B²``.
    Source: Schroff et al. 2015, "FaceNet: A Unified Embedding for Face Recognition and Clustering" (eq. 2,
    §3.2); Hermans et al. 2017, "In Defense of the Triplet Loss for Person Re-Identification" (eq. 5, 6, and
    the soft margin of §2), with squared distances.

    Args:
        size: Size of the embedding.
        margin: Margin m, on the scale of squared distances, which are from 0 to 4.
        mining: Choice of the triplets.
        soft: Whether hard triplets cost ``ln(1 + exp(‖a − p‖² − ‖a − n‖²))``, without a margin.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size]``, target ``[B]`` (class indices), loss ``[B]``.

    Raises:
        ValueError: The size is below 1, the margin is not above 0, an unknown choice, or ``soft`` with
            others than hard triplets.

    Example:
        >>> task = Triplet(2, margin=1.0)
        >>> task.loss(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6]]), torch.tensor([0, 0, 1]))
        tensor([0.6000, 0.6000, 0.0000])
    """

    kind = "triplet"

    def __init__(
        self,
        size: int = 128,
        *,
        margin: float = 0.2,
        mining: Literal["semi_hard", "hard", "all"] = "semi_hard",
        soft: bool = False,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(size, **options)
        if not 0 < margin < math.inf:
            raise ValueError(f"`margin` should be more than 0. Found {margin}.")
        check_names("choice of triplets", [mining], _MINING)
        if soft and mining != "hard":
            raise ValueError(f"`soft` should go with `mining='hard'`. Found {mining!r}.")
        self.margin, self.mining, self.soft = margin, mining, soft

    def compare(self, output: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        x = self.scores(output).double()  # sums of many distances
        distance = 2 - 2 * x @ x.T  # squared
        if self.mining == "hard":
            return self._hardest(distance, positive, negative)
        far = distance.masked_fill(~negative, torch.inf).detach()
        order = far.argsort(1)
        end = torch.searchsorted(far.gather(1, order), distance.detach() + self.margin, right=True)
        first = torch.zeros_like(end)
        if self.mining == "semi_hard":
            first = torch.searchsorted(far.gather(1, order), distance.detach(), right=True)
        count = (end - first).masked_fill(~positive, 0)
        sums = F.pad(distance.where(negative, 0).gather(1, order).cumsum(1), (1, 0))
        negatives = sums.gather(1, end) - sums.gather(1, first)
        total = (count * (self.margin + distance) - negatives.where(positive, 0)).sum(1)
        number = count.sum(1) if self.mining == "semi_hard" else positive.sum(1) * negative.sum(1)
        return total / number.clamp_min(1)

    def _hardest(self, distance: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        complete = positive.any(1) & negative.any(1)
        far = distance.where(positive, -torch.inf).amax(1).where(complete, 0)
        near = distance.where(negative, torch.inf).amin(1).where(complete, 0)
        cost = F.softplus(far - near) if self.soft else (self.margin + far - near).clamp(min=0)
        return cost.where(complete, 0)
