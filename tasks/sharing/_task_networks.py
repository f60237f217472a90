"""A network for each task, mixed after every stage: the base of the layer-by-layer sharings."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from sennit.encoders.types import TapInfo
from sennit.fusion import FusionInput
from sennit.named_modules import NamedModules
from sennit.tasks.sharing._base import Sharing
from sennit.tasks.sharing.stacks import Stack, build_stack

TRUNK = "trunk"


class Unit(nn.Module):
    """A module that mixes the hidden states of all tasks after a stage.

    A subclass defines ``forward(hidden, mask=None, earlier=None)``: the hidden states of all tasks, the
    mask of their valid steps, and for each task the states after the earlier stages.
    """

    forward: Callable[..., list[Tensor]]

    def mixing(self) -> Tensor:
        """Return a matrix with a row for each task that reads and a column for each task that is read."""
        raise NotImplementedError


class TaskNetworks(Sharing):
    """A network for each task, and after each of their stages a unit that mixes them.

    The networks are the tasks' encoders (one set with one fusion for each task), or stacks between one
    fusion and the heads. They start as copies of one. A subclass defines `make_units`, or sets ``mixes``
    to False and acts by its `penalty` alone.

    Where the networks mix, each takes part in the features of every task and learns from every task's
    labels; what only one task's features pass through (its rows of the last unit, the layers after it, its
    head) learns from that task alone.

    Args:
        trunk: None for the encoders, or the stack between fusion and heads, such as
            ``{"name": "mlp", "depth": 2}``.

    Attributes:
        units: `Unit` after each stage, by modality (or "trunk").
    """

    mixes: ClassVar[bool] = True
    per_task_encoders = True
    exchanges = True
    has_boundary = False

    def __init__(self, trunk: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.trunk = trunk
        self.per_task_encoders = trunk is None
        self.exchanges = trunk is None and self.mixes

    @property
    def shares_maps(self) -> bool:
        return self.trunk is None

    def make_units(self, taps: Sequence[TapInfo]) -> nn.ModuleList:
        """Create the unit after each stage with one of these taps; ``self.tasks`` is set."""
        raise NotImplementedError

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        self.tasks, self.out_dim = tasks, in_dim
        taps = {m: encoder.tap_info for m, encoder in encoders.items()}
        if self.trunk is not None:
            first = build_stack(self.trunk, in_dim)
            self.stacks = NamedModules({t: copy.deepcopy(first) if i else first for i, t in enumerate(tasks)})
            self.out_dim, taps = first.out_dim, {TRUNK: first.tap_info}
        elif self.mixes:
            check_staged(self, encoders)
        if self.mixes:
            self.taps = taps
            self.units = NamedModules({name: self.make_units(infos) for name, infos in taps.items()})

    def bind_task_networks(self, networks: Sequence[nn.Module]) -> None:
        # A tuple is not registered: the model saves the networks itself.
        self.networks = tuple(networks) if self.trunk is None else tuple(self.stacks.values())

    def exchange(
        self,
        modality: str,
        level: int,
        hidden: list[Tensor],
        mask: Tensor | None,
        earlier: list[list[Tensor]],
    ) -> list[Tensor]:
        mixed: list[Tensor] = self.unit(modality, level)(hidden, mask, earlier)
        return mixed

    def unit(self, name: str, level: int) -> Unit:
        """Return the unit after a stage of a modality, or of the "trunk"."""
        unit = self.units[name][level]
        assert isinstance(unit, Unit)
        return unit

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        if self.trunk is None:
            return dict.fromkeys(tasks, fused)
        if not self.mixes:
            return {task: self.stacks[task](fused) for task in tasks}
        stacks: list[Stack] = self.stacks.values()
        hidden = [stack.stem(fused) for stack in stacks]
        earlier: list[list[Tensor]] = [[] for _ in stacks]
        for level in range(len(stacks[0].stages)):
            hidden = [s.stages[level](h) for s, h in zip(stacks, hidden, strict=True)]
            hidden = self.unit(TRUNK, level)(hidden, None, earlier)
            for states, h in zip(earlier, hidden, strict=True):
                states.append(h)
        place = {task: i for i, task in enumerate(self.tasks)}
        return {task: self.stacks[task].finish(hidden[place[task]]) for task in tasks}

    def mixing(self) -> dict[str, Tensor]:
        """Return how much each task's network reads of each network after every stage.

        Returns:
            By name of the stage (``"image/stage1"``), a matrix with a row for each task that reads
            and a column for each that is read (for each subspace of a task, where there are several).
        """
        return {
            f"{name}/{tap.name}": self.unit(name, level).mixing()
            for name, taps in (self.taps if self.mixes else {}).items()
            for level, tap in enumerate(taps)
        }


def check_staged(sharing: Sharing, encoders: Mapping[str, FusionInput]) -> None:
    """Refuse an encoder without stages, between which a sharing acts."""
    for name, encoder in encoders.items():
        if not encoder.staged:
            raise TypeError(
                f"sharing '{sharing.registry_name}' acts between the stages of the encoders, and the "
                f"encoder of '{name}' ({type(encoder).__name__}) has none. Choose a staged encoder, "
                f"another sharing, a fusion that is neither early nor nested, or a `trunk`."
            )


def check_share(name: str, value: float) -> None:
    """Refuse an initial weight outside (0, 1]."""
    if not 0 < value <= 1:
        raise ValueError(f"`{name}` should be more than 0 and at most 1. Found {value}.")


def check_lr_multiplier(value: float) -> None:
    """Refuse a multiplier of the learning rate that is not positive."""
    if value <= 0:
        raise ValueError(
            f"`lr_multiplier` should be more than 0. Found {value}. Use `freeze` to stop a part."
        )
