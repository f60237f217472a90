"""An embedding in which a positive is picked out of many negatives at once."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.metric._embedding import EmbeddingTask, mean_over


@register_task("n_pair")
class NPair(EmbeddingTask):
    """An embedding trained to tell a positive from all samples of other classes, by products.

    For an anchor a and a positive p the loss is ``log(1 + Σ_n exp(a·n − a·p))`` over the negatives n of the
    batch; a sample's loss is the mean over its positives, zero without one, and ``penalty · ‖a‖²``. The
    paper's batch, of one pair for each class, is a case of it. The products are of the embeddings as the head
    gives them, whose length the penalty holds; predictions have length 1.
    Source: Sohn 2016, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective" (eq. 6, §3.2).

    Args:
        size: Size of the embedding.
        penalty: Weight of the squared length.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, size]``, target ``[B]`` (class indices), loss ``[B]``.

    Raises:
        ValueError: The size is below 1, or the penalty is below 0.

    Example:
        >>> task = NPair(1, penalty=0.0)
        >>> task.loss(torch.tensor([[1.0], [1.0], [1.0]]), torch.tensor([0, 0, 1]))
        tensor([0.6931, 0.6931, 0.0000])
    """

    kind = "n_pair"

    def __init__(self, size: int = 128, *, penalty: float = 0.002, **options: Unpack[TaskOptions]) -> None:
        super().__init__(size, **options)
        if not 0 <= penalty < torch.inf:
            raise ValueError(f"`penalty` should be 0 or more. Found {penalty}.")
        self.penalty = penalty

    def compare(self, output: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        product = output @ output.T
        has = negative.any(1, keepdim=True)
        others = product.where(negative, -torch.inf).where(has, 0.0).logsumexp(1, keepdim=True)
        cost = mean_over(F.softplus(others - product), positive & has)
        return cost + self.penalty * output.square().sum(1)
