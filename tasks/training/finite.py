"""The check that a training stays finite: every loss, and the weights before they are kept."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class FiniteLosses:
    """The losses of the latest steps, looked at together so that no step waits for the device."""

    def __init__(self) -> None:
        self._latest: list[tuple[int, Mapping[str, Tensor]]] = []

    def add(self, step: int, parts: Mapping[str, Tensor]) -> None:
        """Take in the losses of a step, by task, and their total."""
        self._latest.append((step, parts))

    def check(self) -> None:
        """Refuse losses that were infinite or NaN since the last check.

        Raises:
            ValueError: A loss was not finite; the first step and the part are named.
        """
        latest, self._latest = self._latest, []
        if not latest or bool(torch.stack([parts["loss"] for _, parts in latest]).isfinite().all()):
            return
        step, parts = next((s, p) for s, p in latest if not bool(p["loss"].isfinite()))
        name = next(name for name, value in parts.items() if not bool(value.isfinite()))
        raise ValueError(
            f"the training loss should be finite. Found {parts[name].item()} in '{name}' at step {step}. "
            + (
                "Nothing was learned before: look for enormous inputs or targets in its batch."
                if step == 0
                else "Lower the learning rate, or clip gradients."
            )
        )


def refuse_infinite_weights(module: nn.Module, step: int) -> None:
    """Refuse weights, or running statistics, that are infinite or NaN.

    Args:
        module: Module in training.
        step: Optimizer steps so far, for the message.

    Raises:
        ValueError: A weight is not finite.
    """
    name = infinite_weight(module)
    if name is not None:
        raise ValueError(
            f"weights should be finite. Found NaN or infinity in '{name}' after step {step}: nothing is "
            f"kept. Lower the learning rate, or clip gradients."
        )


def infinite_weight(module: nn.Module) -> str | None:
    """Return the name of a weight, or running statistic, that is infinite or NaN; None without one."""
    statistics = {name: x for name, x in module.named_buffers() if "running_" in name}
    tensors = {**dict(module.named_parameters()), **statistics}
    floats = {name: x.detach() for name, x in tensors.items() if x.is_floating_point()}
    if not floats or bool(torch.stack([x.isfinite().all() for x in floats.values()]).all()):
        return None
    return next(name for name, x in floats.items() if not bool(x.isfinite().all()))
