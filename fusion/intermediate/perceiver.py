"""One perceiver for all modalities, or for each group of similar ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.layers.transformer import TransformerBlock
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion, register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion.inputs import FusionInput
from sennit.fusion.modality_tokens import ModalityTokens
from sennit.fusion.types import FusionOutput


@register_fusion("perceiver")
class Perceiver(Fusion):
    """One perceiver, shared by all modalities, and one crossmodal block, shared by all pairs.

    Or one for each group of modalities and each group of pairs, such as those of `modality_heterogeneity`
    and `interaction_heterogeneity`.

    A few learned latents attend to the tokens of one modality, marked with its embedding, and to themselves:
    ``z_m = perceiver(latents, x_m + e_m)``. The latents are among the keys, so that an absent modality has
    keys too. A crossmodal block lets the latents of each modality attend to
    those of each other one, ``z_{α←β} = block(z_α, context=z_β)``, and the embedding is the mean over the
    pairs, so that only the modalities' embeddings and maps to the common width grow in number with the
    modalities. (The paper concatenates the pairs.) Pairs with an absent
    modality are left out; a modality that is alone attends to itself, by the block of the first group.
    Source: Liang et al. 2022, "High-Modality Multimodal Transformer: Quantifying Modality and Interaction
    Heterogeneity for High-Modality Representation Learning" (HighMMT); Jaegle et al. 2021, "Perceiver"
    (§3.1).

    Args:
        encoders: Encoder of each modality; one without tokens gives its pooled vector as one token.
        embed_dim: Width of the latents and of the result.
        latents: Number of latents.
        depth: Number of layers of the perceiver, each with attention to the tokens and to the latents.
        heads: Attention heads; divides ``embed_dim``.
        dropout: Dropout rate in the blocks.
        modality_groups: Groups of modalities that share a perceiver, each modality once:
            ``modality_heterogeneity(...).groups(2)``. By default all are one group.
        pair_groups: Groups of pairs of modalities that share a crossmodal block, each pair once:
            ``interaction_heterogeneity(...).groups(2)``. By default all are one group.

    Shape:
        ``pooled [B, embed_dim]``, ``tokens [B, M·latents, embed_dim]``.

    Raises:
        ValueError: ``embed_dim`` is odd, or no multiple of ``heads``; ``latents`` or ``depth`` is below 1;
            groups that lack a modality or a pair, hold one twice, or hold an unknown one.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> Perceiver(encoders, embed_dim=16, latents=3)(out).tokens.shape
        torch.Size([4, 6, 16])
    """

    stage = "intermediate"
    needs = "tokens"
    queries: Tensor
    contexts: Tensor
    back: Tensor

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        latents: int = 8,
        depth: int = 1,
        heads: int = 4,
        dropout: float = 0.1,
        modality_groups: Sequence[Sequence[Sequence[str]]] | None = None,
        pair_groups: Sequence[Sequence[Sequence[str]]] | None = None,
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'perceiver'", latents=latents, depth=depth)
        count = len(encoders)
        singles = _places("modality_groups", modality_groups, [(m,) for m in self.modalities])
        common = _places("pair_groups", pair_groups, list(combinations(self.modalities, 2)))
        self.groups = [[i for (i,) in group] for group in singles]
        # Modalities of one token each are read side by side, sequences each at its own length.
        single = [e.token_dim is None for e in encoders.values()]
        self.batches = [
            (reader, batch)
            for reader, group in enumerate(self.groups)
            for batch in ([i for i in group if single[i]], *([i] for i in group if not single[i]))
            if batch
        ]
        self.embed_dim = self.token_dim = embed_dim
        self.tokens = ModalityTokens(encoders, embed_dim, heads=heads)
        self.readers = nn.ModuleList([_Reader(embed_dim, latents, depth, heads, dropout) for _ in singles])
        self.crossmodal = nn.ModuleList([TransformerBlock(embed_dim, heads, dropout=dropout) for _ in common])
        self.norm = nn.LayerNorm(embed_dim)
        place = {frozenset(pair): k for k, group in enumerate(common) for pair in group}
        ordered = [
            [pair for pair in product(range(count), repeat=2) if place.get(frozenset(pair), 0) == k]
            for k in range(len(common))
        ]
        self.sizes = [len(pairs) for pairs in ordered]
        queries, contexts = torch.tensor([pair for pairs in ordered for pair in pairs]).T
        back = torch.tensor([i for _, batch in self.batches for i in batch]).argsort()
        self.register_buffer("queries", queries.contiguous(), persistent=False)
        self.register_buffer("contexts", contexts.contiguous(), persistent=False)
        self.register_buffer("back", back, persistent=False)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        tokens, masks = self.tokens(outputs, present)
        rows = torch.stack([m.any(1) for m in masks], 1)
        read = [
            self.readers[reader]([tokens[i] for i in batch], [masks[i] for i in batch])
            for reader, batch in self.batches
        ]
        z = torch.cat(read, 1).index_select(1, self.back)
        queries, contexts = (
            torch.split(z.index_select(1, i), self.sizes, 1) for i in (self.queries, self.contexts)
        )
        pairs = torch.cat(
            [
                block(a.flatten(0, 1), context=b.flatten(0, 1)).reshape(a.shape)
                for block, a, b in zip(self.crossmodal, queries, contexts, strict=True)
            ],
            1,
        )
        counts = self._counts(rows).to(pairs.dtype)
        pooled = torch.einsum("bpe,bp->be", self.norm(pairs).mean(2), counts)
        latents = z.shape[2]
        return FusionOutput(
            pooled=pooled,
            tokens=self.norm(z).flatten(1, 2),
            mask=rows.repeat_interleave(latents, 1),
        )

    def _counts(self, rows: Tensor) -> Tensor:
        """Return the weights of the pairs ``[B, M²]``: of two present modalities, or of one that is alone."""
        both = rows.index_select(1, self.queries) & rows.index_select(1, self.contexts)
        others = both & (self.queries != self.contexts)
        both = torch.where(others.any(1, keepdim=True), others, both)
        both = (both | ~both.any(1, keepdim=True)).float()
        return both / both.sum(1, keepdim=True)


class _Reader(nn.Module):
    """Perceiver of a group of modalities, whose latents read each of them in the same way."""

    def __init__(self, dim: int, latents: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(latents, dim) * 0.02)
        self.read_blocks, self.mix_blocks = (
            nn.ModuleList([TransformerBlock(dim, heads, dropout=dropout) for _ in range(depth)])
            for _ in range(2)
        )

    def forward(self, tokens: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Read tokens ``[B, T, D]`` under masks ``[B, T]`` into ``[B, modalities, latents, D]``."""
        size, count = tokens[0].shape[0], len(tokens)
        x, mask = (torch.stack(list(values), 1).flatten(0, 1) for values in (tokens, masks))
        z = self.latents.to(x.dtype).expand(size * count, -1, -1)
        seen = F.pad(mask, (0, z.shape[1]), value=True)
        for read, mix in zip(self.read_blocks, self.mix_blocks, strict=True):
            z = mix(read(z, context=torch.cat([x, z], 1), context_mask=seen))
        return z.reshape(size, count, *z.shape[1:])


def _places(
    name: str, groups: Sequence[Sequence[Sequence[str]]] | None, items: Sequence[tuple[str, ...]]
) -> list[list[tuple[int, ...]]]:
    """Return the groups with modalities as indices; each item once, its names in any order."""
    names = list(dict.fromkeys(m for item in items for m in item))
    if groups is None:
        groups = [items]
    else:
        groups = [[(item,) if isinstance(item, str) else tuple(item) for item in group] for group in groups]
        given = sorted(sorted(item) for group in groups for item in group)
        if given != sorted(sorted(item) for item in items) or not groups or not all(groups):
            raise ValueError(
                f"`{name}` of fusion 'perceiver' should hold each of {list(items)} once, in groups that are "
                f"not empty. Found {groups}."
            )
    return [[tuple(names.index(m) for m in item) for item in group] for group in groups]
