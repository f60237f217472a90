"""The base class of stacks, and their registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.encoders.types import TapInfo
from sennit.registry import Registry


class Stack(Configurable, nn.Module):
    """Stages that run one after the other on a vector: a trunk, an expert, the layers of a task.

    A sharing may act after each stage. A subclass sets the attributes below in its constructor, whose
    first argument is the size of the vector; it may leave ``stem`` and ``stem_info`` as they are. Copies
    run together under `torch.func.vmap`, unless one of their modules has ``batched = False``, for
    operations without a vmap rule.

    Attributes:
        stem: Module that runs once, before the first stage; the identity where the stages read the vector.
        stem_info: Description of the stem's output.
        stages: Modules that run one after the other.
        tap_info: Description of each stage's output.
        finish: Module that runs once, after the last stage.
        out_dim: Size of the result.
    """

    _not_config: ClassVar[tuple[str, ...]] = ("in_dim",)

    stages: nn.ModuleList
    tap_info: tuple[TapInfo, ...]
    finish: nn.Module
    out_dim: int

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.stem: nn.Module = nn.Identity()
        self.stem_info = TapInfo("stem", in_dim, "BC")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        out: Tensor = self.finish(x)
        return out


ONE_BLOCK: Mapping[str, Any] = {"name": "mlp", "depth": 1}
"""The default layers of an expert or of a task."""

STACKS: Registry[Stack] = Registry("stack")
register_stack = STACKS.register


def create_stack(name: str, in_dim: int, **options: Any) -> Stack:
    """Create a stack by name: ``create_stack("mlp", 128, depth=2)``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return STACKS.create(name, in_dim, **options)


def build_stack(config: Mapping[str, Any], in_dim: int) -> Stack:
    """Build a stack from the option of a sharing: ``{"name": "mlp", "depth": 2}``.

    Raises:
        ValueError: No name, an unknown one, or an unknown option; close matches are named.
    """
    return STACKS.build(dict(config), in_dim)


def list_stacks(pattern: str = "*") -> list[str]:
    """Return the names of the stacks that match a shell pattern."""
    return STACKS.list(pattern)
