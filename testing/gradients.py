"""Gradients of a model, recorded and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sennit.tasks import MultiTaskModel

Gradients = dict[str, Tensor | None]


def gradients(model: nn.Module) -> Gradients:
    """Return a copy of the gradient of each parameter; None where there is none."""
    return {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}


def assert_close_gradients(one: Mapping[str, Tensor | None], other: Mapping[str, Tensor | None]) -> None:
    """Assert that the gradients of one, and their absence, are those of the other."""
    for name, a in one.items():
        b = other[name]
        assert (a is None) == (b is None), name
        if a is not None:
            torch.testing.assert_close(a, b, msg=f"{name}: {a} is not {b}")


def backward(
    model: MultiTaskModel, batch: Any, loss: Callable[[Any], tuple[Tensor, Any]] | None = None
) -> Gradients:
    """Return the gradients of a batch.

    Args:
        model: Model.
        batch: Batch, or several.
        loss: Function from the batch to a loss and its parts; the model's own when None.
    """
    model.zero_grad()
    torch.autograd.backward((model.loss if loss is None else loss)(batch)[0])
    return gradients(model)
