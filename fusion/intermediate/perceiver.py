"""One perceiver for all modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from encoders._base import Encoder
from encoders.layers.transformer import TransformerBlock
from encoders.types import EncoderOutput
from fusion._base import Fusion, register_fusion
from fusion.tokens import ModalityTokens
from fusion.types import FusionOutput


@register_fusion("perceiver")
class Perceiver(Fusion):
    """One perceiver, shared by all modalities, and one crossmodal block, shared by all pairs.

    A few learned latents attend to the tokens of one modality, marked with its embedding, and to themselves:
    ``z_m = perceiver(latents, x_m + e_m)``, in which the latents are among the keys, so that there are some
    where the modality is absent. A crossmodal block lets the latents of each modality attend to
    those of each other one, ``z_{α←β} = block(z_α, context=z_β)``, and the embedding is the mean over the
    pairs, so that the number of parameters does not grow with that of the modalities, but for their
    embeddings and maps to the common width. (The paper concatenates the pairs.) Pairs with an absent
    modality are left out; a modality that is alone attends to itself.
    Source: Liang et al. 2022, "HighMMT: Quantifying Modality and Interaction Heterogeneity for High-Modality
    Representation Learning", with one group of modalities; Jaegle et al. 2021, "Perceiver" (§3.1).

    Args:
        encoders: By modality; one without tokens is one token.
        embed_dim: Width of the latents and of the result.
        latents: Their number.
        depth: Layers of the perceiver, each of them attention to the tokens and attention to the latents.
        heads: Attention heads; divides ``embed_dim``.
        dropout: In the blocks.

    Shape:
        ``pooled [B, embed_dim]``, ``tokens [B, M·latents, embed_dim]``.

    Raises:
        ValueError: ``embed_dim`` is odd, or no multiple of ``heads``.

    Example:
        >>> from encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> Perceiver(encoders, embed_dim=16, latents=3)(out).tokens.shape
        torch.Size([4, 6, 16])
    """

    stage = "intermediate"
    queries: Tensor
    contexts: Tensor

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        *,
        embed_dim: int = 128,
        latents: int = 8,
        depth: int = 1,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(encoders)
        count = len(encoders)
        self.embed_dim = self.token_dim = embed_dim
        self.tokens = ModalityTokens(encoders, embed_dim, heads=heads)
        self.latents = nn.Parameter(torch.randn(latents, embed_dim) * 0.02)
        self.read_blocks, self.mix_blocks = (
            nn.ModuleList([TransformerBlock(embed_dim, heads, dropout=dropout) for _ in range(depth)])
            for _ in range(2)
        )
        self.crossmodal = TransformerBlock(embed_dim, heads, dropout=dropout)
        self.norm = nn.LayerNorm(embed_dim)
        every = torch.arange(count)
        self.register_buffer("queries", every.repeat_interleave(count), persistent=False)
        self.register_buffer("contexts", every.repeat(count), persistent=False)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        tokens, masks = self.tokens(outputs, present)
        size, count = tokens[0].shape[0], len(tokens)
        longest = max(z.shape[1] for z in tokens)
        x = torch.stack([F.pad(z, (0, 0, 0, longest - z.shape[1])) for z in tokens], 1).flatten(0, 1)
        mask = torch.stack([F.pad(m, (0, longest - m.shape[1])) for m in masks], 1)
        there = mask.any(2)
        z = self.latents.to(x.dtype).expand(size * count, -1, -1)
        seen = F.pad(mask.flatten(0, 1), (0, z.shape[1]), value=True)
        for read, mix in zip(self.read_blocks, self.mix_blocks, strict=True):
            z = mix(read(z, context=torch.cat([x, z], 1), context_mask=seen))
        z = z.reshape(size, count, *z.shape[1:])
        asked, told = z.index_select(1, self.queries), z.index_select(1, self.contexts)
        pairs = self.crossmodal(asked.flatten(0, 1), context=told.flatten(0, 1)).reshape(asked.shape)
        counts = self._counts(there).to(pairs.dtype)
        pooled = torch.einsum("bpe,bp->be", self.norm(pairs).mean(2), counts)
        latents = z.shape[2]
        return FusionOutput(
            pooled=pooled,
            tokens=self.norm(z).flatten(1, 2),
            mask=there.repeat_interleave(latents, 1),
        )

    def _counts(self, there: Tensor) -> Tensor:
        """The weights of the pairs ``[B, M²]``: of two present modalities, or of one that is alone."""
        both = there.index_select(1, self.queries) & there.index_select(1, self.contexts)
        others = both & (self.queries != self.contexts)
        both = torch.where(others.any(1, keepdim=True), others, both)
        both = (both | ~both.any(1, keepdim=True)).float()
        return both / both.sum(1, keepdim=True)
