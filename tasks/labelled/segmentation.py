"""A class for each place of a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.labels import UNKNOWN
from sennit.data.target_spec import TargetSpec
from sennit.encoders.taps import at_size
from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled._classes import named_classes, weights_of_classes
from sennit.tasks.labelled._dense import DenseTask, mean_of_places

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


@register_task("segmentation")
class Segmentation(DenseTask):
    """A class for each place of a map; the loss is the cross-entropy of each labelled place.

    The loss of a batch is the mean over all its labelled places. `Collate` marks places whose target is
    ``ignore`` as unlabelled; a batch made by hand does so in `Batch.labelled`. Predictions have the height
    and width of the image as the encoder reads it, after the model's transforms.
    Source: Long et al. 2015, "Fully Convolutional Networks for Semantic Segmentation", §4.

    Args:
        classes: Number of classes, or their names in the order of the labels.
        ignore: Value of places without a label, outside of the classes; None where there is no such value.
        class_weights: Weight of each class's places in the loss. The mean over places is not divided by the
            weights, so give weights of mean 1 to keep the scale.
        options: Options of every task; see `Task`. ``sources`` are maps, the fused one when None.

    Shape:
        output ``[B, C, H, W]``, target ``[B, H, W]`` (class indices) or ``[B, C, H, W]`` (probabilities),
        loss ``[B, H, W]``.

    Raises:
        ValueError: Fewer than two classes, other than one weight for each, or an ``ignore`` that is a class.

    Example:
        >>> task = Segmentation(["sky", "road"])
        >>> task.predict(torch.tensor([[[[0.0, 2.0]], [[1.0, 0.0]]]]))[0]["labels"].tolist()
        [[1, 0]]
    """

    kind = "segmentation"
    class_weights: Tensor | None

    def __init__(
        self,
        classes: int | Sequence[str],
        *,
        ignore: int | None = 255,
        class_weights: Sequence[float] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        self.classes = named_classes(classes, least=2, owner="a segmentation")
        self.out_dim = len(self.classes)
        if ignore is not None and 0 <= ignore < self.out_dim:
            raise ValueError(
                f"`ignore` should not be a class, 0 to {self.out_dim - 1}. Found {ignore}. Number the "
                f"classes from 0 without it, or give None."
            )
        weights = weights_of_classes(class_weights, self.out_dim)
        self.register_buffer("class_weights", weights, persistent=False)
        self.target = TargetSpec(
            (None, None), torch.long, classes=self.out_dim, ignore=ignore, names=tuple(self.classes)
        )

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        logits = at_size(output.float(), target.shape[-2:])
        try:
            return F.cross_entropy(logits, target, self.class_weights, reduction="none", ignore_index=UNKNOWN)
        except IndexError:  # on the CPU; a GPU stops with an assertion
            raise self._outside(target) from None

    def _outside(self, target: Tensor) -> ValueError:
        return ValueError(
            f"the target of a segmentation of {self.out_dim} classes should be from 0 to {self.out_dim - 1}. "
            f"Found {int(target.min())} to {int(target.max())}. Mark places without a class in `labelled`."
        )

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Return log-probabilities of the classes at one place ``[..., C]``; a rule decides at each place."""
        return output.float().log_softmax(-1)

    def expected_cost(self, cost: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each place from the cost of each class.

        Shape:
            cost ``[B, H, W, C]``, target as for the loss, result ``[B, H, W]``.
        """
        cost = at_size(cost.movedim(-1, 1), target.shape[-2:])
        weights = cost.new_ones(self.out_dim) if self.class_weights is None else self.class_weights
        if target.is_floating_point():
            return (cost * target * weights[:, None, None]).sum(1)
        try:
            return cost.gather(1, target.unsqueeze(1)).squeeze(1) * weights[target]
        except (IndexError, RuntimeError):  # as above; the shapes are known to agree
            raise self._outside(target) from None

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the mean over places of ``KL(p_teacher ‖ p_student)``."""
        log_p, log_q = teacher.detach().float().log_softmax(1), student.float().log_softmax(1)
        return mean_of_places((log_p.exp() * (log_p - log_q)).sum(1))

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the probabilities of the classes at each place."""
        return self.scores(output.detach())

    def pseudo_label(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return the likeliest class of each place, and its probability, averaged over the places."""
        confidence, label = self.soft_target(output).max(1)
        return label, mean_of_places(confidence)

    def entropy(self, output: Tensor) -> Tensor:
        """Return the mean over places of ``−Σ p log p``."""
        log_p = output.float().log_softmax(1)
        return mean_of_places(-(log_p.exp() * log_p).sum(1))

    def sharpen(self, target: Tensor, temperature: float) -> Tensor:
        """Return ``p^{1/T} / Σ p^{1/T}`` of the probabilities ``[B, C, H, W]``."""
        return (target.log() / temperature).softmax(1)

    def mix(self, a: Tensor, b: Tensor, share: Tensor) -> Tensor:
        """Return mixed probabilities ``[B, C, H, W]`` of class indices, or of probabilities."""
        return super().mix(self._soft(a), self._soft(b), share)

    def _soft(self, target: Tensor) -> Tensor:
        if target.is_floating_point():
            return target
        return F.one_hot(target, self.out_dim).movedim(-1, 1).float()

    def answer(self, output: Tensor) -> Tensor:
        return output.argmax(1)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection

        from sennit.tasks.metrics.confusion import ConfusionFigure, mean_iou, pixel_accuracy

        figures = {"mean_iou": mean_iou, "pixel_accuracy": pixel_accuracy}
        metrics = {name: ConfusionFigure(figure, self.out_dim) for name, figure in figures.items()}
        return MetricCollection(dict(metrics), compute_groups=[[*metrics]])

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the mean intersection over union, over all labelled places."""
        from sennit.tasks.metrics.confusion import confusion, mean_iou

        return float(mean_iou(confusion(*self.labelled_places(output, target, labelled), self.out_dim)))

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float().softmax(1)

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        """Return the class index of each place and its probability, arrays ``[H, W]``, for each sample."""
        probability, label = (x.cpu().numpy() for x in self.scores(logits).max(1))
        return [{"labels": y, "probability": p} for y, p in zip(label, probability, strict=True)]
