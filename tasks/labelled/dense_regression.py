"""A number for each place of a map, such as its depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack

import torch
from torch import Tensor

from sennit.data.target_spec import TargetSpec
from sennit.encoders.taps import at_size
from sennit.registry import check_names
from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled._dense import DenseTask, mean_of_places

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


@register_task("dense_regression")
class DenseRegression(DenseTask):
    """A number for each place of a map, such as its depth; the loss is an error at each labelled place.

    With the error e, ``"l1"`` is ``|e|`` and ``"berhu"`` is ``|e|`` up to c and ``(e² + c²) / 2c`` above,
    where c is a fifth of the largest ``|e|`` of the sample, over places whose target is not 0. (The paper
    takes the largest of the batch; a sample's loss would then depend on its neighbours.) The metrics are
    those of depths, over all labelled places: relative errors and deltas leave out places whose target is
    not above 0.
    Source: Laina et al. 2016, "Deeper Depth Prediction with Fully Convolutional Residual Networks", eq. 1.

    Args:
        loss: Error of a place, ``"l1"`` or ``"berhu"``.
        ignore: Value of places without a label; None where every value is one. NaN is no label either.
        options: Options of every task; see `Task`. ``sources`` are maps, the fused one when None.

    Shape:
        output ``[B, 1, H, W]``, target and loss ``[B, H, W]``.

    Raises:
        ValueError: An unknown loss.

    Example:
        >>> task = DenseRegression()
        >>> task.loss(torch.tensor([[[[1.0, 5.0]]]]), torch.tensor([[[2.0, 2.0]]]))
        tensor([[[1., 3.]]])
    """

    kind = "dense_regression"
    out_dim = 1

    def __init__(
        self,
        *,
        loss: Literal["l1", "berhu"] = "l1",
        ignore: float | None = 0.0,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        check_names("loss of a dense regression", [loss], ("l1", "berhu"))
        self.error = loss
        self.target = TargetSpec((None, None), ignore=ignore)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        error = (self.answer(at_size(output.float(), target.shape[-2:])) - target.float()).abs()
        if self.error == "l1":
            return error
        # A batch holds zero where there is no label.
        largest = error.detach().masked_fill(target == 0, 0).amax((-2, -1), keepdim=True)
        c = (largest / 5).clamp(min=1e-6)
        return torch.where(error <= c, error, (error.square() + c.square()) / (2 * c))

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the mean over places of the squared difference."""
        return mean_of_places((student.float() - teacher.detach().float()).square())

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the values."""
        return self.scores(output.detach())

    def answer(self, output: Tensor) -> Tensor:
        return output.squeeze(1)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection

        from sennit.tasks.metrics.depth_errors import FIGURES, DepthFigure

        return MetricCollection({name: DepthFigure(name) for name in FIGURES}, compute_groups=[[*FIGURES]])

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the share of labelled places within a factor of 1.25 of their target."""
        from sennit.tasks.metrics.depth_errors import depth_figure, depth_sums

        return float(depth_figure("delta1", depth_sums(*self.labelled_places(output, target, labelled))))

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float().squeeze(1)

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        """Return the values of each sample, an array ``[H, W]``."""
        return [{"values": values} for values in self.scores(logits).cpu().numpy()]
