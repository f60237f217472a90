"""Dynamic fusion: each sample takes its own path."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.layers.residual import ResidualBlock
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion._taps_base import TappedFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import MissingTokens, stack_present
from sennit.fusion.types import FusionOutput


@register_fusion("dynamic")
class Dynamic(TappedFusion):
    """A gate chooses for each sample whether its modalities are fused early, midway or late.

    The paths join the encoders' first taps, their middle ones, or their embeddings, and pass them through
    three, two or one residual blocks. A gate on the first taps gives logits l, and
    ``y = softmax((l + Gumbel noise) / τ)`` in training, without noise otherwise. The embedding is that of
    the path with the largest y; its gradient is that of the mixture ``Σ_k y_k h_k`` (straight-through), so
    that the other paths learn too. The penalty ``λ Σ_k y_k c_k``, also straight-through, favours cheap paths:
    c is the share of the encoders' levels that a path needs. All paths are computed; ``choices`` say which
    was taken, ``losses["cost"]`` its cost. Learned tokens stand in for an absent
    modality. Encoders of unlike depth are aligned at their deepest taps.
    Source: Xue & Marculescu 2023, "Dynamic Multimodal Fusion" (decisions at the level of the fusion, the
    resource-aware loss); Jang et al. 2017, "Categorical Reparameterization with Gumbel-Softmax" (§2.2).

    Args:
        encoders: Encoder of each modality, with at least one tap.
        embed_dim: Width of the paths and of the result.
        temperature: Temperature τ of the softmax.
        cost_weight: Weight λ of the cost.
        dropout: Dropout rate in the paths.

    Shape:
        ``pooled [B, embed_dim]``, ``choices [B, 3]``, ``losses["cost"] [B]``.

    Raises:
        TypeError: An encoder has no taps.
        ValueError: ``temperature`` is not above 0, or ``cost_weight`` is negative.

    Example:
        >>> from sennit.data import View
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fused = FusedEncoder(encoders, Dynamic(encoders, embed_dim=16))
        >>> out = fused(View.of({"a": torch.randn(4, 3), "b": torch.randn(4, 5)}))
        >>> out.choices.sum(1).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    stage = "intermediate"
    paths = ("early", "intermediate", "late")
    costs: Tensor

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        temperature: float = 1.0,
        cost_weight: float = 0.01,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(encoders)
        check_at_least(0, "fusion 'dynamic'", cost_weight=cost_weight)
        if not temperature > 0:
            raise ValueError(f"`temperature` of fusion 'dynamic' should be above 0. Found {temperature}.")
        self.embed_dim, self.temperature, self.cost_weight = embed_dim, temperature, cost_weight
        depth = len(self.taps)
        self.levels = (0, depth // 2)
        dims = [[tap.dim for tap in self.taps[level]] for level in self.levels]
        dims.append([e.embed_dim for e in encoders.values()])
        self.missing = nn.ModuleList([MissingTokens(sizes) for sizes in dims])
        self.enter = nn.ModuleList([nn.Linear(sum(sizes), embed_dim) for sizes in dims])
        self.trunks = nn.ModuleList(
            [
                nn.Sequential(
                    *[ResidualBlock(embed_dim, dropout=dropout) for _ in range(blocks)],
                    nn.LayerNorm(embed_dim),
                )
                for blocks in (3, 2, 1)
            ]
        )
        self.gate = nn.Sequential(nn.Linear(sum(dims[0]), embed_dim), nn.ReLU(), nn.Linear(embed_dim, 3))
        costs = torch.tensor([*((level + 1) / (depth + 1) for level in self.levels), 1.0])
        self.register_buffer("costs", costs, persistent=False)

    def routes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((f"path {path}", self.modalities) for path in self.paths)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        masks = stack_present(self.modalities, present)
        read = [self.level(outputs, level) for level in self.levels]
        read.append([outputs[m].pooled for m in self.modalities])
        joined = [torch.cat(missing(x, masks), 1) for missing, x in zip(self.missing, read, strict=True)]
        every = torch.stack(
            [trunk(enter(x)) for trunk, enter, x in zip(self.trunks, self.enter, joined, strict=True)], 1
        )
        soft = self._soft(self.gate(joined[0]).to(self.costs.dtype))  # in fp32 under autocast
        hard = torch.zeros_like(soft).scatter(1, soft.argmax(1, keepdim=True), 1.0)
        mixed = torch.einsum("bpe,bp->be", every, soft.to(every.dtype))
        chosen = torch.einsum("bpe,bp->be", every, hard.to(every.dtype))
        cost = soft @ self.costs
        return FusionOutput(
            pooled=_straight_through(chosen, mixed),
            choices=hard,
            losses={"cost": self.cost_weight * _straight_through(hard @ self.costs, cost)},
        )

    def _soft(self, logits: Tensor) -> Tensor:
        if self.training:
            logits = logits - torch.empty_like(logits).exponential_().log()
        return (logits / self.temperature).softmax(1)


def _straight_through(value: Tensor, slope: Tensor) -> Tensor:
    """Return one tensor's value with the gradient of the other."""
    return value.detach() + (slope - slope.detach())
