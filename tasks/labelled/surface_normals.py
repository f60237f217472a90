"""A direction for each place of a map: the normal of the surface seen there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from torch import Tensor
from torch.nn import functional as F

from sennit.data.target_spec import TargetSpec
from sennit.encoders.taps import at_size
from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled._dense import DenseTask, mean_of_places

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


@register_task("surface_normals")
class SurfaceNormals(DenseTask):
    """A direction in space for each place of a map; the loss is 1 − cosine at each labelled place.

    The output may have any length; predictions have length 1. A zero vector, or one with NaN, is no label.
    The metrics are angles in degrees, over all labelled places.
    Source: Eigen & Fergus 2015, "Predicting Depth, Surface Normals and Semantic Labels with a Common
    Multi-Scale Convolutional Architecture", §4.2.

    Args:
        options: Options of every task; see `Task`. ``sources`` are maps, the fused one when None.

    Shape:
        output, target and loss ``[B, 3, H, W]``; the loss of a place stands at each of its three components,
        since they are labelled together.

    Example:
        >>> import torch
        >>> up, across = torch.tensor([0.0, 2.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
        >>> SurfaceNormals().loss(up.reshape(1, 3, 1, 1), across.reshape(1, 3, 1, 1)).flatten()
        tensor([1., 1., 1.])
    """

    kind = "surface_normals"
    out_dim = 3

    def __init__(self, **options: Unpack[TaskOptions]) -> None:
        super().__init__(**options)
        self.target = TargetSpec((3, None, None), ignore=0.0, vector=True)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        output = at_size(output.float(), target.shape[-2:])
        loss = 1 - F.cosine_similarity(output, target.float(), dim=1)
        return loss.unsqueeze(1).expand(target.shape)

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the mean over places of 1 − cosine."""
        return mean_of_places(1 - F.cosine_similarity(teacher.detach().float(), student.float(), dim=1))

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the directions, of length 1."""
        return self.scores(output.detach())

    def mix(self, a: Tensor, b: Tensor, share: Tensor) -> Tensor:
        """Return the directions, of length 1, between two."""
        return F.normalize(super().mix(a, b, share), dim=1)

    def answer(self, output: Tensor) -> Tensor:
        return output

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection

        from sennit.tasks.metrics.angles import FIGURES, AngleFigure

        return MetricCollection({name: AngleFigure(name) for name in FIGURES}, compute_groups=[[*FIGURES]])

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the share of labelled places within 30 degrees of their target."""
        from sennit.tasks.metrics.angles import angle_figure, angle_sums, angles

        sums = angle_sums(angles(*self.labelled_places(output, target, labelled)))
        return float(angle_figure("within_30", *sums))

    def scores(self, logits: Tensor) -> Tensor:
        return F.normalize(logits.float(), dim=1)

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        """Return the normals of each sample, an array ``[H, W, 3]``."""
        return [{"normals": normals} for normals in self.scores(logits).movedim(1, -1).cpu().numpy()]
