"""The base class of memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn


class Memory(nn.Module):
    """Tensors of a training that belong to its data, and not to its model.

    They are plain tensors: DDP broadcasts the buffers of its first rank before each forward pass, and would
    undo what the others wrote; a saved model holds buffers, and would publish something of each sample. All
    writes are gathered over the ranks, in their order, so that the ranks stay equal. Checkpoints hold the
    `training_state`; a copy of a model, such as a teacher, begins with an empty memory, as a loaded one does.
    """

    # Attributes of plain values that the state holds too, with their values in an empty memory.
    _plain: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[str, Tensor] = {}
        self._device = torch.device("cpu")

    def blank(self) -> dict[str, Tensor]:
        """Return the tensors of an empty memory, by name."""
        raise NotImplementedError

    def held(self, name: str) -> Tensor:
        """Return one of the tensors; they are made when they are first read."""
        if not self._held:
            self._held = {key: x.to(self._device) for key, x in self.blank().items()}
        return self._held[name]

    @property
    def empty(self) -> bool:
        """Whether nothing was written or read yet."""
        return not self._held

    def training_state(self) -> dict[str, Any]:
        """Return what a checkpoint needs: tensors and plain values; empty where nothing was written yet."""
        return {**self._held, **{name: getattr(self, name) for name in self._plain}}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `training_state` returned.

        Raises:
            ValueError: The state is of a memory of another size.
        """
        tensors = {key: x for key, x in state.items() if key not in self._plain}
        for key, x in self.blank().items() if tensors else ():
            if key not in tensors or tensors[key].shape != x.shape:
                have = tuple(tensors[key].shape) if key in tensors else None
                raise ValueError(
                    f"a {type(self).__name__} should resume with the size that it began with. Found "
                    f"'{key}' of shape {have} in the checkpoint, and {tuple(x.shape)} now."
                )
        self._held = {key: x.to(self._device, copy=True) for key, x in tensors.items()}
        for name in self._plain:
            setattr(self, name, state[name])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # A cast of the model would lose what small steps add up to, so that only the device is taken.
        self._device = fn(torch.empty(0, device=self._device)).device
        self._held = {key: x.to(self._device) for key, x in self._held.items()}
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": {}, **self._plain}
