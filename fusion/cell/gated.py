"""Gates between the inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sennit.fusion.cell._base import Activation, Operator, register_operator


@register_operator("gated")
class Gated(Operator):
    """``h = Σ_k z_k ⊙ σ(u_k)``, ``z = softmax_k(g_k)``: for each feature the inputs compete for their share.

    u_k and g_k are the two blocks of an input.
    Source: after Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion" (§3.1), with a softmax
    over any number of inputs.

    Example:
        >>> Gated().combine([torch.tensor([[[1.0], [0.0]], [[3.0], [0.0]]])], None, torch.relu, 1)
        tensor([2.])
    """

    blocks = 2

    def combine(
        self, u: Sequence[Tensor], mask: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        features, gates = torch.cat(list(u)).unbind(-2)
        if mask is not None:
            gates = gates.masked_fill(~mask.unsqueeze(-1), -math.inf)
        return (gates.softmax(0) * act(features)).sum(0)
