"""Adam on one number a task, whose state a weighting keeps in buffers of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


def add_adam_state(module: nn.Module, tasks: int) -> None:
    """Give the module the buffers ``mean``, ``variance`` and ``steps`` ``[K]``."""
    for name in ("mean", "variance", "steps"):
        module.register_buffer(name, torch.zeros(tasks))


def adam_move(module: nn.Module, gradient: Tensor, on: Tensor, lr: float) -> Tensor:
    """What is to be subtracted from each task's number; zero for an inactive one, whose state stays.

    Source: Kingma & Ba 2015, "Adam" (algorithm 1), with the paper's β and ε.

    Shape:
        gradient and result ``[K]``, on ``[K]`` of bool.
    """
    mean, variance, steps = module.mean, module.variance, module.steps
    assert isinstance(mean, Tensor)
    assert isinstance(variance, Tensor)
    assert isinstance(steps, Tensor)
    module.steps = steps = steps + on
    module.mean = mean = torch.where(on, mean.lerp(gradient, 1 - _BETA_1), mean)
    module.variance = variance = torch.where(on, variance.lerp(gradient.square(), 1 - _BETA_2), variance)
    counted = steps.clamp(min=1)
    scale = (variance / (1 - _BETA_2**counted)).sqrt() + _EPSILON
    return torch.where(on, lr * (mean / (1 - _BETA_1**counted)) / scale, 0)
