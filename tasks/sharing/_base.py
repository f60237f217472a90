"""The base class of sharings, and their registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.fusion import FusionInput
from sennit.registry import Registry


class Sharing(Configurable, nn.Module):
    """The parameters that tasks have in common, between the fusion and the heads.

    A subclass defines ``forward(fused, tasks) -> {task: features}`` and `bind`.

    Attributes:
        out_dim: Size of each task's features, known after `bind`.
        per_task_encoders: Whether every task has encoders and a fusion of its own.
        exchanges: Whether `exchange` acts between those encoders after each stage.
        attends: Whether each task takes its part of the stages of common encoders, in `attend`.
        has_boundary: Whether the tasks part at one tensor, the features that `forward` returns; what
            balancing needs.
    """

    per_task_encoders: bool = False
    exchanges: bool = False
    attends: bool = False
    has_boundary: bool = True
    out_dim: int
    forward: Callable[..., dict[str, Tensor]]

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        """Create the parameters, when the model is built.

        Args:
            tasks: Names of the tasks with heads, in their order.
            in_dim: Size of the fused vector.
            encoders: Encoder of each modality.

        Raises:
            TypeError: The sharing cannot work with one of the encoders; the message names it.
        """
        raise NotImplementedError

    def bind_task_networks(self, networks: Sequence[nn.Module]) -> None:
        """Receive the encoders with their fusion, once the model has built them: one, or one for each task.

        They belong to the model: a sharing that reads their weights stores them in a tuple, which does not
        register them.
        """

    def bind_heads(self, heads: Mapping[str, nn.Module]) -> None:
        """Receive the head of each task, once the model has built them.

        They belong to the model, as in `bind_task_networks`.
        """

    def exchange(
        self,
        modality: str,
        level: int,
        hidden: list[Tensor],
        mask: Tensor | None,
        earlier: list[list[Tensor]],
    ) -> list[Tensor]:
        """Act between the tasks' encoders after a stage (only where ``exchanges``).

        Args:
            modality: Name of the modality whose encoders these are.
            level: Index of the stage, counted from the deepest, -1.
            hidden: The hidden state of each task's encoder, in the layout of its tap.
            mask: Mask of the valid steps where there is padding; the same for all tasks.
            earlier: Shallower taps of each task's encoder, from shallow to deep.
        """
        raise NotImplementedError

    def attend(self, modality: str, level: int, hidden: Tensor, taken: Tensor | None, task: str) -> Tensor:
        """Return what a task takes of a stage of the common encoders (only where it ``attends``).

        Args:
            modality: Name of the modality.
            level: Index of the stage, counted from the deepest, -1.
            hidden: Hidden state after the stage, in the layout of its tap.
            taken: What the task took of the stage before; None for the first.
            task: Name of the task.
        """
        raise NotImplementedError

    @property
    def shares_maps(self) -> bool:
        """Whether it serves tasks that read the fused map; one that acts on vectors would be passed by."""
        return False

    @property
    def penalizes(self) -> bool:
        """Whether a step can add a penalty to the loss."""
        kind = type(self)
        return kind.penalty is not Sharing.penalty or kind.penalty_of is not Sharing.penalty_of

    def penalty(self) -> Tensor | None:
        """Return a scalar that is added to the loss, or None."""
        return None

    def penalty_of(self, features: Sequence[Mapping[str, Tensor]]) -> Tensor | None:
        """Return the penalty of a step, for a sharing whose penalty depends on the active tasks.

        Called once a step. Parameters of tasks that are not in ``features`` get no gradient.

        Args:
            features: Features of the active tasks with heads, one mapping for each view of each batch.
        """
        return self.penalty()

    def after_step(self) -> None:
        """Update what changes with each optimizer step; the learner calls it."""


def check_strength(name: str, value: float) -> None:
    """Refuse a negative weight of a penalty."""
    if value < 0:
        raise ValueError(f"`{name}` should be 0 or more. Found {value}.")


SHARINGS: Registry[Sharing] = Registry("sharing")
register_sharing = SHARINGS.register


def create_sharing(name: str, **options: Any) -> Sharing:
    """Create a sharing by name: ``create_sharing("hard", width=128)``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return SHARINGS.create(name, **options)


def list_sharings(pattern: str = "*") -> list[str]:
    """Return the names of the sharings that match a shell pattern."""
    return SHARINGS.list(pattern)
