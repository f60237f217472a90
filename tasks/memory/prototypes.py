"""A vector for each of several groups of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.tasks.memory._base import Memory
from sennit.tasks.memory.gathered import gathered


class Prototypes(Memory):
    """The centres of groups of samples, such as clusters or classes, as moving averages.

    Source: the moving averages of van den Oord et al. 2017, "Neural Discrete Representation Learning"
    (appendix A.1), of means in place of sums.

    Args:
        count: Number of groups.
        dim: Size of a vector.

    Shape:
        features ``[B, dim]``, groups ``[B]``, centres ``[count, dim]``.

    Raises:
        ValueError: A number below 1.

    Example:
        >>> prototypes = Prototypes(2, 1)
        >>> prototypes.write(torch.tensor([0, 1, 1]), torch.tensor([[0.0], [4.0], [6.0]]))
        >>> prototypes.read().flatten().tolist(), prototypes.nearest(torch.tensor([[3.0]])).tolist()
        ([0.0, 5.0], [1])
    """

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        if count < 1 or dim < 1:
            raise ValueError(f"`count` and `dim` should be 1 or more. Found {count} and {dim}.")
        self.count, self.dim = count, dim

    def blank(self) -> dict[str, Tensor]:
        return {
            "centres": torch.zeros(self.count, self.dim),
            "begun": torch.zeros(self.count, dtype=torch.bool),
        }

    def read(self) -> Tensor:
        """Return the centres; zeros for groups without a sample so far."""
        return self.held("centres")

    def nearest(self, features: Tensor) -> Tensor:
        """Return the group whose centre is nearest, of those that had a sample."""
        distances = torch.cdist(features.float(), self.read())
        return distances.masked_fill(~self.held("begun"), torch.inf).argmin(1)

    @torch.no_grad()
    def write(self, groups: Tensor, features: Tensor, *, decay: float = 0.0) -> None:
        """Move centres towards the means of the samples of all ranks; every rank calls it at the same place.

        ``c ← decay · c + (1 − decay) · mean``; the first mean of a group is taken as it is.

        Args:
            groups: Group of each sample.
            features: Features.
            decay: Weight of the centre so far.
        """
        groups, features = gathered(groups, features.float())
        sums = features.new_zeros(self.count, self.dim).index_add_(0, groups, features)
        counts = groups.bincount(minlength=self.count)
        seen, begun, centres = counts > 0, self.held("begun"), self.held("centres")
        means = sums / counts.clamp(min=1).unsqueeze(1)
        moved = torch.where(begun.unsqueeze(1), torch.lerp(means, centres, decay), means)
        centres.copy_(torch.where(seen.unsqueeze(1), moved, centres))
        begun |= seen
