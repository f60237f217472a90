"""The base class of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.data.target_spec import TargetSpec
from sennit.registry import Registry

if TYPE_CHECKING:  # torchmetrics is slow to import, and brings much with it
    from torchmetrics import MetricCollection


class Task(Configurable, nn.Module):
    """Something to learn: a head, a loss for each sample, metrics and a prediction.

    A task does not reduce its losses: the model does that in one place, over labelled samples.

    Args:
        reads: Modalities that the task may see; None for all.

    Attributes:
        kind: Kind of the task ("classification").
        dense: Whether the target has a label for each place of a map; the output is then a map too.
        out_dim: Size of the head's output.
        target: Shape and type of a sample's target; None for a task without labels.
        of: Name of the task whose head this one uses, for a task without its own head.
        views: Views of the batch that the loss compares; () for the batch itself.
        gaussian: Whether the loss is a squared error; uncertainty weighting halves its weight.
        batchwise: Whether a sample's loss depends on the other samples of its batch; such a task receives
            only the labelled ones.
    """

    kind: ClassVar[str]
    dense: ClassVar[bool] = False
    gaussian: ClassVar[bool] = False
    batchwise: ClassVar[bool] = False
    of: str | None = None
    views: tuple[str, ...] = ()
    out_dim: int
    target: TargetSpec | None

    def __init__(self, *, reads: tuple[str, ...] | None = None) -> None:
        super().__init__()
        if reads is not None and len(reads) == 0:
            raise ValueError(f"`reads` should be a tuple of one or more modalities. Found {reads!r}.")
        self.reads = None if reads is None else tuple(reads)

    def build_head(self, in_dim: int) -> nn.Module:
        """Make a new head: ``[B, in_dim]`` to ``[B, out_dim]``."""
        return nn.Linear(in_dim, self.out_dim)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample, not reduced.

        Shape:
            output ``[B, out_dim]``, target as ``target`` says, result ``[B]``, or the target's shape
            where its entries are labelled separately.
        """
        raise NotImplementedError

    def agreement(self, *logits: Tensor) -> Tensor:
        """Return the loss ``[B]`` of each sample from its outputs in ``views``, for a task without labels."""
        raise NotImplementedError

    def check(self, other: Task) -> None:
        """Refuse another task whose head this one cannot use.

        Raises:
            TypeError: It cannot.
        """

    def log_probabilities(self, output: Tensor) -> Tensor | None:
        """Return log-probabilities ``[..., C]`` of the alternatives for decision fusions, or None."""
        return None

    def expected_cost(self, cost: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample from the cost that a decision rule gives each alternative."""
        raise NotImplementedError

    def metrics(self) -> MetricCollection:
        """Return new metrics; they read ``(scores(logits), target)`` of labelled samples."""
        raise NotImplementedError

    def scorable(self, labelled: Tensor) -> Tensor:
        """Return which samples the metrics take in: those labelled throughout.

        Shape:
            labelled ``[B]`` or the target's shape, result ``[B]``.
        """
        return labelled.flatten(1).all(1) if labelled.dim() > 1 else labelled

    def update_metrics(
        self, metrics: MetricCollection, logits: Tensor, target: Tensor, labelled: Tensor
    ) -> None:
        """Update the metrics with the samples whose target is labelled in every entry."""
        rows = self.scorable(labelled)
        if bool(rows.any()):
            metrics.update(self.scores(logits)[rows], target[rows])

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return one figure over the labelled samples, at best 1, which a search maximises.

        It is the first of `metrics`, computed without their state.
        """
        raise NotImplementedError

    def scores(self, logits: Tensor) -> Tensor:
        """Return probabilities where the task has any, values otherwise; the metrics read them."""
        raise NotImplementedError

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        """Return one plain answer for each sample."""
        raise NotImplementedError


TASKS: Registry[Task] = Registry("task")
register_task = TASKS.register


def create_task(name: str, *args: Any, **options: Any) -> Task:
    """Make a task by name: ``create_task("classification", 10)``."""
    return TASKS.create(name, *args, **options)


def list_tasks(pattern: str = "*") -> list[str]:
    """Return the names of the tasks that match a shell pattern."""
    return TASKS.list(pattern)
