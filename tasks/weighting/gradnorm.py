"""Gradient normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch import distributed as dist

from sennit.tasks._base import Task
from sennit.tasks.weighting._adam import adam_step, add_adam_state
from sennit.tasks.weighting._base import Weighting, register_weighting

_LEAST = 1e-3
_EPSILON = 1e-8


@register_weighting("gradnorm")
class GradNorm(Weighting):
    """Weights that give all tasks gradients of like size, larger where losses have fallen less.

    ``Σ_k w_k ℓ_k``; after each step's weighting, w follows the gradient of ``Σ_k |G_k − Ḡ r_k^α|``, with
    ``G_k = w_k ‖∂ℓ_k/∂h‖``, Ḡ their mean, and r_k the ratio of ℓ_k to its first value, relative to the
    mean ratio. The target ``Ḡ r_k^α`` is held fixed, and w is scaled to its former sum. All means are
    over the active tasks; an inactive one's weight stays.

    h are the features at which the tasks part, that is the output of the last shared layer, where the
    paper takes that layer's weights: one short backward pass through each head, whatever the sharing. The
    step of w is one of Adam, whose state is in buffers; the model's optimizer takes no part in it. Weights
    stay above 0.001.
    Source: Chen et al. 2018, "GradNorm" (algorithm 1, eqs. 1 and 2).

    Args:
        alpha: Strength of the pull towards equal rates of training; larger for tasks that differ more, 0 to
            make all gradients alike. 1.5 is LibMTL's default; the paper's toy problem takes 0.12.
        lr: Learning rate of the weights.

    Shape:
        losses ``[K]``, active ``K`` bools, result a scalar.

    Raises:
        ValueError: ``alpha`` or ``lr`` is negative.

    Example:
        >>> from sennit.tasks import Classification, Regression
        >>> weighting = GradNorm(lr=0.1)
        >>> weighting.bind({"class": Classification(3), "speed": Regression()})
        >>> h = torch.ones(2, requires_grad=True)
        >>> losses = torch.stack([h.sum(), 10 * h.sum()])
        >>> weighting(losses, (True, True)).item()
        22.0
        >>> weighting.at_boundary(losses, (True, True), [[h], [h]])
        >>> weighting.weights  # larger for the task with the smaller gradient
        tensor([1.1000, 0.9000])
    """

    keeps_gradient_scale = False
    reads_boundary = True
    weights: Tensor
    first: Tensor

    def __init__(self, *, alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__()
        for name, value in (("alpha", alpha), ("lr", lr)):
            if value < 0:
                raise ValueError(f"`{name}` should be 0 or more. Found {value}.")
        self.alpha, self.lr = alpha, lr

    def bind(self, tasks: Mapping[str, Task]) -> None:
        self.register_buffer("weights", torch.ones(len(tasks)))
        self.register_buffer("first", torch.zeros(len(tasks)))
        add_adam_state(self, len(tasks))

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        return (self.weights * losses).sum()

    def at_boundary(
        self, losses: Tensor, active: Sequence[bool], features: Sequence[Sequence[Tensor]]
    ) -> None:
        values = losses.detach().float()
        norms = torch.stack(
            [
                _norm(loss, read) if on else loss.new_zeros(())
                for loss, read, on in zip(losses, features, active, strict=True)
            ]
        )
        # A loss that is not finite, whose step a gradient scaler skips, changes nothing.
        on = torch.tensor(active, device=losses.device) & values.isfinite() & norms.isfinite()
        self.first = torch.where(on & (self.first == 0), values, self.first)
        lengths = torch.where(on, self.weights * norms, 0)
        ratios = torch.where(on, values / self.first.clamp(min=_EPSILON), 0)
        rates = ratios / (ratios.sum() / on.sum().clamp(min=1)).clamp(min=_EPSILON)
        target = lengths.sum() / on.sum().clamp(min=1) * rates**self.alpha
        gradient = torch.where(on, (lengths - target).sign() * norms, 0)
        moved = adam_step(self, self.weights, gradient, active, on, lr=self.lr).clamp(min=_LEAST)
        scale = torch.where(on, self.weights, 0).sum() / torch.where(on, moved, 0).sum()
        self.weights = torch.where(on, moved * scale, self.weights)


def _norm(loss: Tensor, features: Sequence[Tensor]) -> Tensor:
    """Return ``‖∂ℓ/∂h‖`` over all features, of all ranks."""
    read = [h for h in features if h.requires_grad]
    gradients = torch.autograd.grad(loss, read, retain_graph=True, allow_unused=True) if read else ()
    squares = [g.float().square().sum() for g in gradients if g is not None]
    total = torch.stack(squares).sum() if squares else loss.new_zeros(())
    if dist.is_initialized():
        # Each rank's loss is scaled up by the number of ranks, so that DDP's average is the sum.
        total = total / dist.get_world_size() ** 2
        dist.all_reduce(total)
    return total.sqrt()
