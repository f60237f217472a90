"""What every task is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sennit.data.target_spec import TargetSpec
from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry

if TYPE_CHECKING:  # torchmetrics is slow to import, and brings much with it
    from torchmetrics import MetricCollection


class Task(Configurable, nn.Module):
    """Something to learn: a head, a loss for each sample, metrics and a prediction.

    The losses are not reduced here: the model does it in one place, over labelled samples.

    Args:
        reads: The modalities that the task may see; None for all.

    Attributes:
        kind: What the task is ("classification").
        out_dim: Size of its head's output.
        target: Shape and type of a sample's target; None for a task without labels.
        of: The task whose head this one uses, for a task without a head of its own.
        views: The renderings of the batch that the loss compares; () for the batch itself.
        gaussian: Whether the loss is a squared error, which decides its factor in uncertainty
            weighting.
        batchwise: Whether a sample's loss depends on the other samples of its batch; such a task is
            given the labelled ones alone.
    """

    kind: ClassVar[str]
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
        """A new head: ``[B, in_dim]`` to ``[B, out_dim]``."""
        return nn.Linear(in_dim, self.out_dim)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of each sample, not reduced.

        Shape:
            output ``[B, out_dim]``, target as ``target`` says, result ``[B]``, or the target's shape
            where each of its entries may be labelled or not.
        """
        raise NotImplementedError

    def agreement(self, *logits: Tensor) -> Tensor:
        """For a task without labels: the loss ``[B]`` of each sample from its outputs in ``views``."""
        raise NotImplementedError

    def check(self, other: Task) -> None:
        """Refuse to be ``of`` another task that this one cannot read."""

    def log_probabilities(self, output: Tensor) -> Tensor | None:
        """``[..., C]`` over the alternatives, for decision fusions; None when there are none."""
        return None

    def expected_cost(self, cost: Tensor, target: Tensor) -> Tensor:
        """The loss of each sample from the cost of each alternative, as a decision rule gives it."""
        raise NotImplementedError

    def metrics(self) -> MetricCollection:
        """Fresh metrics, updated with ``(predict(logits), target)`` of labelled samples."""
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
        """Feed the samples that are labelled throughout."""
        rows = self.scorable(labelled)
        if bool(rows.any()):
            metrics.update(self.scores(logits)[rows], target[rows])

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """One figure over the labelled samples, of which 1 is the best there is: what a search looks at.

        It is the first of `metrics`, without their state.
        """
        raise NotImplementedError

    def scores(self, logits: Tensor) -> Tensor:
        """Probabilities where there are any, values otherwise: what the metrics read."""
        raise NotImplementedError

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        """One plain answer a sample."""
        raise NotImplementedError


TASKS: Registry[Task] = Registry("task")
register_task = TASKS.register


def create_task(name: str, *args: Any, **options: Any) -> Task:
    """Make a task by name: ``create_task("classification", 10)``."""
    return TASKS.create(name, *args, **options)


def list_tasks(pattern: str = "*") -> list[str]:
    """Names of the tasks that match a shell pattern."""
    return TASKS.list(pattern)
