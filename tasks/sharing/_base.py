"""What every sharing is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sennit.encoders._base import Encoder
from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry


class Sharing(Configurable, nn.Module):
    """Says which parameters the tasks have in common, between the fusion and the heads.

    A subclass defines ``forward(fused, tasks) -> {task: features}`` and `bind`.

    Attributes:
        out_dim: Size of each task's features, known after `bind`.
        per_task_encoders: Whether every task has encoders and a fusion of its own.
        exchanges: Whether `exchange` acts between those encoders after each stage.
        has_boundary: Whether the tasks part at one tensor, the features that `forward` returns; what
            balancing needs.
    """

    per_task_encoders: bool = False
    exchanges: bool = False
    has_boundary: bool = True
    out_dim: int
    forward: Callable[..., dict[str, Tensor]]

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, Encoder]) -> None:
        """Make the parameters, when the model is built.

        Args:
            tasks: Names of the tasks with heads, in their order.
            in_dim: Size of the fused vector.
            encoders: By modality.

        Raises:
            TypeError: The sharing cannot work with one of the encoders; it is named.
        """
        raise NotImplementedError

    def bind_columns(self, columns: Sequence[nn.Module]) -> None:
        """Know the encoders and the fusion, once the model has made them: one of each, or one a task.

        They belong to the model: a sharing that keeps them, to read their weights, keeps them in a tuple.
        """

    def bind_heads(self, heads: Mapping[str, nn.Module]) -> None:
        """Know the heads by task, once the model has made them.

        As of columns: a sharing that keeps them keeps them in a tuple.
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
            modality: Whose encoders.
            level: Counted from the deepest, -1.
            hidden: The hidden state of each task's encoder, in the layout of its tap.
            mask: Valid steps, where there is padding; the same for all tasks.
            earlier: The taps above it of each task's encoder, from shallow to deep.
        """
        raise NotImplementedError

    def penalty(self) -> Tensor | None:
        """A scalar added to the loss; None for a sharing without one."""
        return None

    def penalty_of(self, features: Sequence[Mapping[str, Tensor]]) -> Tensor | None:
        """The penalty of a step, for a sharing whose own depends on what the step is about.

        It is asked for once a step. Parameters of tasks that are not in ``features`` get no gradient.

        Args:
            features: Of the active tasks with heads, in each view of each batch.
        """
        return self.penalty()

    def after_step(self) -> None:
        """Called by the learner after each step of the optimizer."""


def check_strength(name: str, value: float) -> None:
    """Refuse the weight of a penalty that would be a reward."""
    if value < 0:
        raise ValueError(f"`{name}` should be 0 or more. Found {value}.")


SHARINGS: Registry[Sharing] = Registry("sharing")
register_sharing = SHARINGS.register


def create_sharing(name: str, **options: Any) -> Sharing:
    """Make a sharing by name: ``create_sharing("hard", width=128)``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return SHARINGS.create(name, **options)


def list_sharings(pattern: str = "*") -> list[str]:
    """Names of the sharings that match a shell pattern."""
    return SHARINGS.list(pattern)
