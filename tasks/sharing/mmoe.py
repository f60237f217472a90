"""Multi-gate mixture of experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from sennit.fusion import FusionInput
from sennit.tasks.sharing._base import Sharing, register_sharing
from sennit.tasks.sharing.stacks._base import ONE_BLOCK
from sennit.tasks.sharing.stacks.batched import make_stacks, run_together
from sennit.tasks.sharing.stacks.mixing import Gates, mix


@register_sharing("mmoe")
class MMoE(Sharing):
    """Experts shared by all tasks, which each task weighs by a gate of its own.

    ``f_t(x) = Σ_e g_t(x)_e f_e(x)`` with ``g_t(x) = softmax(W_t x)``. The experts are stacks of layers
    on the fused vector. With one expert it is hard sharing of that stack.

    The tasks do not split at one tensor: their gates read the fused vector and the outputs of all experts,
    and both pass gradients back. No balancing works with it.

    A step costs all experts, and ``N · T · experts · D`` for mixing them.

    Source: Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts", KDD 2018, section 4.2.

    Args:
        experts: Number of experts.
        stack: Layers of an expert, as `build_stack` reads it; an ``mlp`` of one block by default.

    Shape:
        ``[N, D]`` to ``[N, D']`` for each task.

    Raises:
        ValueError: ``experts`` is below 1, or an unknown stack.

    Example:
        >>> import torch
        >>> sharing = MMoE(experts=3)
        >>> sharing.bind(("a", "b"), 8, {})
        >>> x = torch.randn(2, 8)
        >>> sharing(x, ("a", "b"))["a"].shape, sharing.gate_weights(x, ("a", "b"))["a"].shape
        (torch.Size([2, 8]), torch.Size([2, 3]))
    """

    has_boundary = False

    def __init__(self, *, experts: int = 4, stack: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        if experts < 1:
            raise ValueError(f"`experts` should be 1 or more. Found {experts}.")
        self.count, self.stack = experts, stack or ONE_BLOCK

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        self._place = {task: i for i, task in enumerate(tasks)}
        experts = make_stacks(self.stack, in_dim, self.count)
        self.experts = nn.ModuleList(experts)
        self.gates = Gates(len(tasks), in_dim, self.count)
        self.out_dim = experts[0].out_dim

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        weights = self.gates(fused, [self._place[t] for t in tasks])
        return dict(zip(tasks, mix(weights, run_together(self.experts, fused)).unbind(), strict=True))

    def gate_weights(self, fused: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Return each task's weights of the experts for each sample ``[N, experts]``."""
        weights: Tensor = self.gates(fused, [self._place[t] for t in tasks])
        return dict(zip(tasks, weights.unbind(), strict=True))
