"""The base of the tasks with a label for each place of a map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from sennit.encoders.taps import at_size
from sennit.tasks._base import Task

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class MapHead(nn.Module):
    """A small head on a feature map: a convolution over neighbours, and one at each place.

    Args:
        in_dim: Channels of the map.
        out_dim: Channels of the output.

    Shape:
        ``[B, in_dim, H, W]`` to ``[B, out_dim, H, W]``.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_dim, in_dim, 3, padding=1, bias=False),
            nn.GroupNorm(math.gcd(8, max(in_dim // 4, 1), in_dim), in_dim),
            nn.ReLU(),
            nn.Conv2d(in_dim, out_dim, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class DenseTask(Task):
    """A task with a label for each place of a map; any of them may be missing.

    The head reads the fused map, unless ``sources`` names another one, and the model brings its output to the
    height and width of the image. Losses and metrics bring it to those of the target, where they differ.
    """

    dense: ClassVar[bool] = True

    def build_head(self, in_dim: int) -> nn.Module:
        """Make a new head: ``[B, in_dim, H, W]`` to ``[B, out_dim, H, W]``."""
        return MapHead(in_dim, self.out_dim)

    def answer(self, output: Tensor) -> Tensor:
        """Return the target that an output stands for at each place."""
        raise NotImplementedError

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples have any label."""
        return labelled.flatten(1).any(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        """Update the metrics with the labelled places."""
        metrics.update(*self.labelled_places(logits, target, labelled))

    def labelled_places(self, output: Tensor, target: Tensor, labelled: Tensor) -> tuple[Tensor, Tensor]:
        """Return the answers and the targets at the labelled places, which the metrics compare.

        Shape:
            output ``[B, out_dim, H, W]``, target as the task's, labelled ``[B]`` or as the target; results
            ``[N]``, or ``[N, D]`` of vectors.
        """
        answer = self.answer(at_size(output.detach().float(), target.shape[-2:]))
        labelled = labelled.reshape(*labelled.shape, *[1] * (target.dim() - labelled.dim()))
        places = labelled.expand(target.shape)
        if target.dim() == 4:
            answer, target, places = answer.movedim(1, -1), target.movedim(1, -1), places.all(1)
        return answer[places], target[places]


def mean_of_places(values: Tensor) -> Tensor:
    """Return the mean over all axes but the first ``[B]``."""
    return values.flatten(1).mean(1)
