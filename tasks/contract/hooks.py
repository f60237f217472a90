"""Places of a training at which a task may act, beside its losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from sennit.data.batch import Batch
from sennit.encoders import Encoder
from sennit.tasks.contract.context import StepNetwork


class TrainingHooks:
    """The places of a training at which a task may act; by default it does nothing there.

    Attributes:
        needs_teacher: Whether `loss_from` reads the outputs of a teacher.
        replaces: Whether `render` replaces batches of the step; such a task renders last.
        renews_head: Whether a pass makes the task's head anew, with its optimizer's state.
    """

    needs_teacher: bool = False
    replaces: ClassVar[bool] = False
    renews_head: ClassVar[bool] = False

    def on_build(self, name: str, encoders: Mapping[str, Encoder]) -> None:
        """Set sizes that depend on the encoders, before heads are made.

        Raises:
            TypeError: The task cannot work with an encoder; the message names it.
        """

    def bind(self, name: str, model: nn.Module) -> None:
        """Check, or remember, the model that the task is part of, once it is built.

        Raises:
            TypeError: The task cannot work with a part of the model; the message names it.
        """

    def render(self, name: str, batches: list[Batch], network: StepNetwork) -> list[Batch]:
        """Return the batches of a step with the views that the task makes of them.

        Args:
            name: Name of the task.
            batches: Batches of the step, after modality dropout.
            network: Network, for views that depend on it.
        """
        return batches

    def teacher_views_of(self, name: str) -> tuple[str, ...] | None:
        """Return the views that a teacher reads for the task; None for those that the task reads."""
        return None

    def detached_views_of(self, name: str) -> tuple[str, ...]:
        """Return those of the views that the task reads through which its loss passes no gradient.

        No graph is kept for them, unless another task learns through them.
        """
        return ()

    def after_step(self) -> None:
        """Update the state that changes with each optimizer step; the learner calls it."""

    def on_pass(self, features: Mapping[str, Tensor], index: Tensor) -> None:
        """Take in a pass over a loader, in evaluation mode, before an epoch; `fit(passes=...)` asks for it.

        Args:
            features: What the task's head reads, of all samples, by source; "" is the fused vector.
            index: Ids of the samples, each once, in ascending order.

        Shape:
            features ``[N, ...]``, index ``[N]``; the same on all ranks.
        """
        raise NotImplementedError
