"""The last features that were seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from sennit.tasks.memory._base import Memory
from sennit.tasks.memory.gathered import gathered


class FeatureQueue(Memory):
    """The last ``size`` features of all ranks, such as negatives of a contrastive loss.

    A write that passes the end continues at the start, and nothing of it is lost.
    Source: He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning" (§3.2).

    Args:
        size: Number of features.
        dim: Size of a feature.

    Attributes:
        written: Number of features that were written in all.

    Shape:
        features ``[B, dim]``, `read` ``[n, dim]`` with n up to size, the oldest first.

    Raises:
        ValueError: A size below 1.

    Example:
        >>> queue = FeatureQueue(3, 1)
        >>> for batch in ([[1.0], [2.0]], [[3.0], [4.0]]):
        ...     queue.write(torch.tensor(batch))
        >>> queue.read().flatten().tolist()
        [2.0, 3.0, 4.0]
    """

    _plain: ClassVar[Mapping[str, Any]] = {"written": 0}

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        if size < 1 or dim < 1:
            raise ValueError(f"`size` and `dim` should be 1 or more. Found {size} and {dim}.")
        self.size, self.dim, self.written = size, dim, 0

    def blank(self) -> dict[str, Tensor]:
        return {"features": torch.zeros(self.size, self.dim)}

    @torch.no_grad()
    def write(self, features: Tensor) -> None:
        """Add features of all ranks, in the order of the ranks; every rank calls it at the same place."""
        (joined,) = gathered(features.float())
        first = self.written + max(0, len(joined) - self.size)
        self.written += len(joined)
        places = torch.arange(first, self.written, device=joined.device) % self.size
        self.held("features")[places] = joined[-self.size :]

    def read(self) -> Tensor:
        """Return the features, the oldest first."""
        queue, start = self.held("features"), self.written % self.size
        return queue[: self.written] if self.written <= self.size else queue.roll(-start, 0)
