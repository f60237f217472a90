"""Early tokens: the tokens of all inputs in one transformer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders.layers.transformer import TransformerBlock
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion, register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion.inputs import FusionInput
from sennit.fusion.modality_tokens import ModalityTokens
from sennit.fusion.types import FusionOutput


@register_fusion("early_tokens")
class EarlyTokens(Fusion):
    """All inputs as one sequence of tokens, each with its modality's type, in one shared transformer.

    ``z = [c; z_1 + e_1; …; z_M + e_M]`` passes through the blocks; the state of c, a learned token, is the
    embedding. It reads `Encoder.input_level`: frames, patches, embedded bytes, a table's row. The tokens of
    an absent modality are left out, as if it did not exist.
    Source: Kim et al. 2021, "ViLT: Vision-and-Language Transformer Without Convolution or Region
    Supervision" (eqs. 1-5).

    Args:
        encoders: Encoder of each modality; one whose input has no tokens gives one token.
        embed_dim: Width of the transformer and of the result.
        depth: Number of blocks.
        heads: Attention heads; divides ``embed_dim``.
        dropout: Dropout rate in the blocks.

    Shape:
        ``pooled [B, embed_dim]``, ``tokens [B, Σ_m T_m, embed_dim]``.

    Raises:
        ValueError: ``embed_dim`` is odd, or no multiple of ``heads``; ``depth`` is below 1.

    Example:
        >>> from sennit.data import View
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("tcn", 5)}
        >>> fused = FusedEncoder(encoders, EarlyTokens(encoders, embed_dim=16))
        >>> fused(View.of({"a": torch.randn(4, 3), "b": torch.randn(4, 7, 5)})).tokens.shape
        torch.Size([4, 8, 16])
    """

    stage = "early"
    needs = "tokens"

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'early_tokens'", depth=depth)
        self.embed_dim = self.token_dim = embed_dim
        self.tokens = ModalityTokens(
            {m: self.front_of(e) for m, e in encoders.items()}, embed_dim, heads=heads
        )
        self.summary = nn.Parameter(torch.randn(embed_dim) * 0.02)
        self.blocks = nn.ModuleList(
            [TransformerBlock(embed_dim, heads, dropout=dropout) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(embed_dim)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        tokens, masks = self.tokens(outputs, present)
        size = tokens[0].shape[0]
        z = torch.cat([self.summary.to(tokens[0].dtype).expand(size, 1, -1), *tokens], 1)
        mask = torch.cat([masks[0].new_ones(size, 1), *masks], 1)
        for block in self.blocks:
            z = block(z, mask)
        z = zero_padding(self.norm(z), mask)
        return FusionOutput(pooled=z[:, 0], tokens=z[:, 1:], mask=mask[:, 1:])
