"""An encoder of text that needs no vocabulary; pretrained ones are in `sennit.encoders.text_hf`."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.data.masking import zero_padding
from sennit.data.words import in_utf8, word_spans, words_of
from sennit.encoders._base import Encoder
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.layers.transformer import TransformerEncoder, sinusoids
from sennit.encoders.layers.units import IdUnits

START = 256
"""Id before the bytes, so that no text is empty."""


class EmbeddedIds(nn.Module):
    """Vectors of ids; zeros in the padding.

    Args:
        embedding: Embedding shared with the encoder whose front this is.
    """

    def __init__(self, embedding: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, ids: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return zero_padding(self.embedding(ids), mask), mask


@register_encoder("bytes")
class ByteTransformerEncoder(TransformerEncoder):
    """Transformer over the UTF-8 bytes of a text.

    Source: the tokenizer-free input of Xue et al., "ByT5", TACL 2022, with the pre-norm transformer
    of Vaswani et al. 2017.

    Args:
        max_length: Most ids that `to_tensor` keeps, including the one that starts a text.
        embed_dim: Size of the output, of the tokens and of each tap.
        depth: Number of transformer blocks; one tap for each.
        heads: Number of attention heads.
        mlp_ratio: Hidden size of the perceptrons over ``embed_dim``.
        dropout: Dropout probability of the residual branches.
        attention_dropout: Dropout probability of the attention weights.

    Shape:
        ids ``[B, T]``, mask ``[B, T]``; pooled ``[B, embed_dim]``, tokens and taps
        ``[B, T, embed_dim]``.

    Example:
        >>> encoder = ByteTransformerEncoder()
        >>> ids = encoder.to_tensor("né")
        >>> ids.tolist(), encoder(ids.unsqueeze(0)).tokens.shape
        ([256, 110, 195, 169], torch.Size([1, 4, 64]))
    """

    raw_samples: ClassVar[str] = "a text, or a list of its words"

    _sizes: ClassVar[tuple[str, ...]] = ("max_length", "embed_dim", "depth", "heads")

    def __init__(
        self,
        *,
        max_length: int = 512,
        embed_dim: int = 64,
        depth: int = 2,
        heads: int = 4,
        mlp_ratio: float = 2.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__(embed_dim, depth, heads, mlp_ratio, dropout, attention_dropout)
        self.input_spec = InputSpec((None,), dtype=torch.long, sequence=True)
        self.max_length = max_length
        self.embed = EmbeddedIds(nn.Embedding(START + 1, embed_dim))

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        tokens, mask = self.embed(x, mask)
        return zero_padding(
            tokens + sinusoids(*tokens.shape[1:], device=x.device).to(tokens.dtype), mask
        ), mask

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the ids of a text's bytes, cut to ``max_length``; words of a list are joined by spaces."""
        text = raw if isinstance(raw, str) else " ".join(words_of(raw))
        return torch.tensor([START, *in_utf8(text)][: self.max_length])

    def word_starts(self, raw: Any) -> list[tuple[str, int | None]]:
        words = words_of(raw)
        if isinstance(raw, str):
            starts = [len(in_utf8(raw[:start])) for start, _ in word_spans(raw)]
        else:
            starts = list(itertools.accumulate((len(in_utf8(word)) + 1 for word in words), initial=0))[:-1]
        places = [1 + start for start in starts]  # behind the id that starts a text
        return [(w, p if p < self.max_length else None) for w, p in zip(words, places, strict=True)]

    def id_vectors(self) -> tuple[nn.Module, int]:
        return self.embed.embedding, self.embed_dim

    def token_units(self) -> IdUnits:
        return IdUnits(START + 1, START, without=(START,))

    def input_level(self) -> Encoder:
        return StepsInputLevel(self.embed, self.embed_dim, self.input_spec, with_std=False)
