"""Multimodal transformer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders.layers.transformer import TransformerBlock
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion, register_fusion
from sennit.fusion._checks import check_at_least, check_parameters
from sennit.fusion.inputs import FusionInput
from sennit.fusion.modality_tokens import ModalityTokens
from sennit.fusion.types import FusionOutput


@register_fusion("cross_attention")
class CrossAttention(Fusion):
    """Multimodal transformer (MulT): each modality attends to each other one, then to itself.

    For each ordered pair there is a crossmodal transformer ``β → α`` whose queries are α's tokens and whose
    keys and values are, in every layer, the low-level tokens of β:
    ``z^i = block_i(z^{i−1}, context=z_β^0)``, ``z^0 = z_α^0``. For each α the results of all β are
    concatenated along the features and pass through a self-attention transformer; its last elements, of
    all α, are concatenated and mapped linearly. Blocks are pre-norm, each transformer ends with a LayerNorm,
    and the maps to the common width see one step, as in the authors' code; their residual block before the
    output is left to the head. The last element of each sequence is a learned token, where the paper
    reads the last time step: so modalities without time have one too, and it alone stands in for an absent
    modality. With a single modality only the self-attention is left.
    Source: Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences"
    (eqs. 1-5, §3.2).

    Args:
        encoders: Encoder of each modality; one without tokens gives its pooled vector as one token.
        embed_dim: Width of the crossmodal transformers and of the result.
        depth: Number of layers of each crossmodal transformer.
        self_depth: Number of layers of the self-attention transformers.
        heads: Number of attention heads; divides ``embed_dim``.
        dropout: Dropout rate in the blocks.

    Shape:
        ``pooled [B, embed_dim]``, ``tokens [B, Σ_m (T_m + 1), (M − 1)·embed_dim]`` (embed_dim where M = 1).

    Raises:
        ValueError: ``embed_dim`` is odd, or no multiple of ``heads``; ``depth`` is below 1;
            or there would be more than 2²⁷ parameters.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> CrossAttention(encoders, embed_dim=16)(out).tokens.shape
        torch.Size([4, 4, 16])
    """

    stage = "intermediate"
    needs = "tokens"

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        depth: int = 2,
        self_depth: int = 1,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'cross_attention'", depth=depth)
        check_at_least(0, "fusion 'cross_attention'", self_depth=self_depth)
        count = len(encoders)
        self.embed_dim, self.token_dim = embed_dim, max(count - 1, 1) * embed_dim
        # A block of width D has about 12 D² parameters.
        size = 12 * count * ((count - 1) * depth * embed_dim**2 + self_depth * self.token_dim**2)
        owner = f"fusion 'cross_attention' of {count} modalities"
        check_parameters(size, owner, "Lower `embed_dim` or `self_depth`, or choose fusion 'perceiver'.")
        self.tokens = ModalityTokens(encoders, embed_dim, heads=heads)
        self.last = nn.Parameter(torch.randn(count, embed_dim) * 0.02)
        self.pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
        self.crossmodal = nn.ModuleList([_stack(embed_dim, heads, depth, dropout) for _ in self.pairs])
        self.crossmodal_norms = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in self.pairs])
        self.alone = nn.ModuleList([_stack(self.token_dim, heads, self_depth, dropout) for _ in encoders])
        self.norms = nn.ModuleList([nn.LayerNorm(self.token_dim) for _ in encoders])
        self.project = nn.Linear(count * self.token_dim, embed_dim)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        low, masks = self.tokens(outputs, present)
        size = low[0].shape[0]
        low = [
            torch.cat([z, last.to(z.dtype).expand(size, 1, -1)], 1)
            for z, last in zip(low, self.last.unbind(), strict=True)
        ]
        masks = [torch.cat([m, m.new_ones(size, 1)], 1) for m in masks]
        streams: list[list[Tensor]] = [[] for _ in low]
        for (a, b), blocks, norm in zip(self.pairs, self.crossmodal, self.crossmodal_norms, strict=True):
            z = low[a]
            for block in blocks.children():
                z = block(z, masks[a], context=low[b], context_mask=masks[b])
            streams[a].append(norm(z))
        joined = []
        for z, stream, mask, blocks, norm in zip(low, streams, masks, self.alone, self.norms, strict=True):
            z = torch.cat(stream, 2) if stream else z
            for block in blocks.children():
                z = block(z, mask)
            joined.append(zero_padding(norm(z), mask))
        return FusionOutput(
            pooled=self.project(torch.cat([z[:, -1] for z in joined], 1)),
            tokens=torch.cat(joined, 1),
            mask=torch.cat(masks, 1),
        )


def _stack(dim: int, heads: int, depth: int, dropout: float) -> nn.ModuleList:
    return nn.ModuleList([TransformerBlock(dim, heads, dropout=dropout) for _ in range(depth)])
