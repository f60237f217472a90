"""The inputs of a task without labels: those of its loss, and a network to make views with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from sennit.data.batch import Batch
from sennit.data.view import View
from sennit.encoders import Encoder
from sennit.ramp import Progress
from sennit.tasks.contract.lending import Lending

if TYPE_CHECKING:  # its package imports the tasks
    from sennit.tasks.model.outputs import Features


class StepNetwork(Protocol):
    """The network of a step for a task that makes views: it leaves no trace.

    Statistics of norms stay as they are, no modality is hidden, and dropout is the same in every look, so
    that two outputs differ by their inputs alone. Gradients flow to the inputs.
    """

    training: bool

    @property
    def progress(self) -> Progress:
        """Position of the training."""
        ...

    def readable(self, task: str, view: View) -> Tensor:
        """Return which rows of a view a task's head can read ``[R]``."""
        ...

    def task(self, name: str) -> Any:
        """Return a task by its name."""
        ...

    def encoder(self, modality: str) -> Encoder:
        """Return the encoder of a modality, for what all tasks' encoders have alike.

        These are the kind of its inputs, their fitted scale, and what tokens stand for. Where each task has
        encoders of its own it is the first one's, and `outputs` reads through the task's.
        """
        ...

    def outputs(self, view: View, tasks: Sequence[str], *, teacher: bool = False) -> dict[str, Tensor]:
        """Return the output of the heads of some tasks for a view; the teacher's if asked for."""
        ...


@dataclass(frozen=True)
class TaskContext:
    """The view that a task has of one batch of a step.

    Attributes:
        name: Name of the task.
        batch: Batch, after modality dropout and with all rendered views.
        progress: Position of the training.
        features: Features by view; "" is the batch itself.
        outputs: Output of the task's own head, or of the only task that it is ``of``, by view.
        lenders: Tasks that it is ``of``, by name.
        lent: Outputs of the tasks that it is ``of``, by task and view.
        teacher: Outputs of the teacher's heads, by task and view, without gradient; empty without a teacher.
        counted: Mask of the rows that count ``[B]``: those that the task can read in every view it compares;
            None for all. The losses of other rows are dropped; a loss in which rows meet leaves them out.

    Shape:
        Outputs ``[R, ...]``, with the R rows of their view.
    """

    name: str
    batch: Batch
    progress: Progress
    features: Mapping[str, Features]
    outputs: Mapping[str, Tensor]
    lenders: Mapping[str, Lending] = field(default_factory=dict)
    lent: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    teacher: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    counted: Tensor | None = None

    @property
    def lender(self) -> Lending:
        """The only task that it is ``of``."""
        (lender,) = self.lenders.values()
        return lender

    def view(self, name: str) -> View:
        """Return a view; "" is the batch itself."""
        return self.batch.views[name] if name else self.batch

    def source(self, source: str = "", view: str = "") -> Tensor:
        """Return what the task's head read at one of its sources."""
        return self.features[view].sources[self.name][source]

    def source_mask(self, source: str = "", view: str = "") -> Tensor | None:
        """Return the valid steps ``[B, T]`` of a source with a time axis; None for all."""
        return self.features[view].source_masks[self.name].get(source)
