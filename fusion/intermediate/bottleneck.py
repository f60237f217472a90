"""Attention bottlenecks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.data.masking import masked_mean
from sennit.encoders.layers.transformer import TransformerBlock
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion, register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import uniform_weights
from sennit.fusion.modality_tokens import ModalityTokens
from sennit.fusion.types import FusionOutput


@register_fusion("bottleneck")
class Bottleneck(Fusion):
    """Multimodal bottleneck transformer: modalities attend to each other through a few shared tokens.

    At each layer, each modality's tokens and the bottleneck tokens pass through that modality's
    transformer block, ``[z_m ‖ ẑ_m] = block_m([z_m ‖ z_fsn])``, and the bottleneck tokens become
    their mean, ``z_fsn = mean_m ẑ_m``, over the modalities that the sample has. The embedding is the
    mean over the present modalities of their mean token. Positions are added to each modality's tokens, as
    in the authors' code; a modality without tokens is one token. An absent one neither reads nor writes, so
    it needs no missing token.
    Source: Nagrani et al. 2021, "Attention Bottlenecks for Multimodal Fusion" (eqs. 8-9).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Width of the transformer.
        num_bottlenecks: Number of shared tokens; 4 as in the paper.
        depth: Number of layers.
        heads: Number of attention heads; divides ``embed_dim``.
        dropout: Dropout rate in the blocks.

    Shape:
        ``pooled [B, embed_dim]``, ``tokens [B, Σ_m T_m, embed_dim]``.

    Raises:
        ValueError: ``num_bottlenecks``, ``depth`` or ``heads`` is below 1, ``embed_dim`` is odd, or ``heads``
            does not divide it.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> Bottleneck(encoders, embed_dim=16, heads=2)(out).tokens.shape
        torch.Size([4, 2, 16])
    """

    stage = "intermediate"
    needs = "tokens"

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        num_bottlenecks: int = 4,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'bottleneck'", num_bottlenecks=num_bottlenecks, depth=depth)
        self.embed_dim = self.token_dim = embed_dim
        self.num_bottlenecks = num_bottlenecks
        self.tokens = ModalityTokens(encoders, embed_dim, heads=heads)
        self.bottlenecks = nn.Parameter(torch.randn(num_bottlenecks, embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            [
                nn.ModuleList([TransformerBlock(embed_dim, heads, dropout=dropout) for _ in encoders])
                for _ in range(depth)
            ]
        )
        self.norm = nn.LayerNorm(embed_dim)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        states, masks = self.tokens(outputs, present)
        weights = uniform_weights(present, self.modalities, states[0])
        shared = self.bottlenecks.to(states[0].dtype).expand(weights.shape[0], -1, -1)
        always = masks[0].new_ones(shared.shape[:2])
        padded = [torch.cat([m, always], 1) for m in masks]
        for blocks in self.blocks:
            mixed = [
                block(torch.cat([z, shared], 1), mask)
                for block, z, mask in zip(blocks.children(), states, padded, strict=True)
            ]
            states = [z[:, : -self.num_bottlenecks] for z in mixed]
            written = torch.stack([z[:, -self.num_bottlenecks :] for z in mixed], 1)
            shared = torch.einsum("bmnd,bm->bnd", written, weights)
        pooled = torch.stack([masked_mean(self.norm(z), m) for z, m in zip(states, masks, strict=True)], 1)
        return FusionOutput(
            pooled=torch.einsum("bmd,bm->bd", pooled, weights),
            tokens=self.norm(torch.cat(states, 1)),
            mask=torch.cat(masks, 1),
            modality_weights=weights,
        )
