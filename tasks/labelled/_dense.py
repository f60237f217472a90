"""The base of the tasks with a label for each place of a map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Unpack

import torch
from torch import Tensor, nn

from sennit.encoders.taps import at_size
from sennit.tasks._base import Task
from sennit.tasks.contract.feature_source import FeatureSource
from sennit.tasks.contract.options import TaskOptions

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

_MAPS = ("map", "encoded_map", "tap")


class MapHead(nn.Module):
    """A small head on feature maps: a convolution over neighbours, and one at each place.

    Args:
        dims: Channels of each map, by source.
        out_dim: Channels of the output.

    Shape:
        ``[B, dim, H, W]``, or a mapping of several maps, which are brought to the size of the first and
        joined; output ``[B, out_dim, H, W]``.
    """

    def __init__(self, dims: Mapping[str, int], out_dim: int) -> None:
        super().__init__()
        dim, width = sum(dims.values()), max(dims.values())
        self.sources = tuple(dims)
        self.layers = nn.Sequential(
            nn.Conv2d(dim, width, 3, padding=1, bias=False),
            nn.GroupNorm(math.gcd(8, max(width // 4, 1), width), width),
            nn.ReLU(),
            nn.Conv2d(width, out_dim, 1),
        )

    def forward(self, x: Tensor | Mapping[str, Tensor]) -> Tensor:
        if not isinstance(x, Tensor):
            size = x[self.sources[0]].shape[-2:]
            x = torch.cat([at_size(x[name], size) for name in self.sources], 1)
        out: Tensor = self.layers(x)
        return out


class DenseTask(Task):
    """A task with a label for each place of a map; any of them may be missing.

    The head reads the fused map, unless ``sources`` names other ones, and the model brings its output to the
    height and width of the image. Losses and metrics bring it to those of the target, where they differ.

    Raises:
        ValueError: A source that is no map.
    """

    dense: ClassVar[bool] = True

    def __init__(self, **options: Unpack[TaskOptions]) -> None:
        if options.get("sources") is None:
            options["sources"] = FeatureSource("map")
        super().__init__(**options)
        for source in self.sources.values():
            if source.at not in _MAPS:
                raise ValueError(
                    f"`sources` of a {self.kind} should be maps, at one of {_MAPS}. Found '{source.at}'."
                )

    def build_head(self, in_dim: int) -> nn.Module:
        """Make a new head: ``[B, in_dim, H, W]`` to ``[B, out_dim, H, W]``."""
        return MapHead({"": in_dim}, self.out_dim)

    def build_source_head(self, dims: Mapping[str, int]) -> nn.Module:
        """Make a new head on one map, or on several by name; see `Task.build_source_head`."""
        return MapHead(dims, self.out_dim)

    def answer(self, output: Tensor) -> Tensor:
        """Return the target that an output stands for at each place."""
        raise NotImplementedError

    def blank_target(self, output: Tensor) -> Tensor:
        """Return targets of the height and width of an output, all zero; see `Task.blank_target`."""
        blank = super().blank_target(output)
        return blank.expand(*blank.shape[:-2], *output.shape[-2:])

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
