"""Members of an ensemble that are fitted at once, beside the nets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from sennit.data import View


class ShallowModel(nn.Module, ABC):
    """Base of the members that are fitted at once and answer one task: no layers, no steps.

    What is saved is a few plain options and tensors, so that loading executes nothing.

    Args:
        inputs: Modalities that it reads; it answers for the rows that have any of them.

    Attributes:
        kind: Name of its kind in a saved ensemble, and in reports.
    """

    kind: ClassVar[str]

    def __init__(self, inputs: Sequence[str]) -> None:
        super().__init__()
        self.inputs = tuple(inputs)

    def readable(self, view: View) -> Tensor:
        """Return the rows that it can answer for, ``[B]`` bool."""
        return torch.stack([view.present[name] for name in self.inputs]).any(0)

    @abstractmethod
    def forward(self, view: View) -> Tensor:
        """Return outputs as the task's head gives them, ``[B, outputs]``: logits, or numbers."""

    @property
    def config(self) -> dict[str, Any]:
        """Plain values from which `from_saved` makes it again, with its tensors."""
        return {"inputs": list(self.inputs)}

    @classmethod
    @abstractmethod
    def from_saved(cls, config: Mapping[str, Any], tensors: dict[str, Tensor]) -> Self:
        """Make it from its ``config`` and the tensors of its ``state_dict``."""
