"""An encoder of text by the words, pairs of words and parts of words that it holds, whatever their order."""

from __future__ import annotations

import functools
import zlib
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.input_spec import InputSpec
from sennit.data.masking import zero_padding
from sennit.data.words import in_utf8, words_of
from sennit.encoders._base import Encoder
from sennit.encoders._create import register_encoder
from sennit.encoders.types import EncoderOutput

_KEPT = 2**16  # words whose ids are remembered: a text repeats most of its words


@register_encoder("hashed_ngrams")
class HashedNgramsEncoder(Encoder):
    """Weighted sum of the vectors of a text's words, pairs of words and parts of words, found by hashing.

    Each n-gram takes the row of its hash in one embedding: no vocabulary, and new words have their parts.
    As in TF-IDF, rows that few texts hold weigh more, ``log((1 + N) / (1 + n)) + 1`` with the n of N texts
    that `fit` counts, and a text's weights have the length 1. With a linear head it is a linear model on
    hashed TF-IDF, whose product with the embedding is learned. It reads a text of 500 words in the time
    in which a network over its bytes reads a sentence, and learns from a few hundred.

    Source: Joulin et al., "Bag of Tricks for Efficient Text Classification", EACL 2017, with the parts of
    words of Bojanowski et al., "Enriching Word Vectors with Subword Information", TACL 2017, and the weights
    of Salton & Buckley 1988.

    Args:
        buckets: Number of rows of the embedding.
        embed_dim: Size of the output.
        words: Largest number of neighbouring words that are an n-gram.
        shortest: Least characters of a part of a word; ``<`` and ``>`` mark its ends.
        longest: Most characters of a part of a word; 0 for no parts.
        max_length: Most n-grams of a text; further ones are left out.
        dropout: Dropout probability of an n-gram.

    Shape:
        ids ``[B, T]``, mask ``[B, T]``; pooled ``[B, embed_dim]``, no tokens.

    Raises:
        ValueError: A size or a count is out of range.

    Example:
        >>> encoder = HashedNgramsEncoder(buckets=1000, embed_dim=8)
        >>> ids = encoder.to_tensor("a small dog")
        >>> encoder(ids.unsqueeze(0)).pooled.shape
        torch.Size([1, 8])
    """

    raw_samples: ClassVar[str] = "a text, or a list of its words"

    inverse: Tensor

    _sizes: ClassVar[tuple[str, ...]] = ("buckets", "embed_dim", "words", "shortest", "max_length")

    def __init__(
        self,
        *,
        buckets: int = 2**16,
        embed_dim: int = 64,
        words: int = 2,
        shortest: int = 3,
        longest: int = 4,
        max_length: int = 2048,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.input_spec = InputSpec((None,), dtype=torch.long, sequence=True)
        self.buckets, self.embed_dim, self.words = buckets, embed_dim, words
        self.shortest, self.longest, self.max_length = shortest, longest, max_length
        self.embedding = nn.Embedding(buckets + 1, embed_dim)  # the last row starts a text: none is empty
        nn.init.uniform_(self.embedding.weight, -(embed_dim**-0.5), embed_dim**-0.5)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("inverse", torch.ones(buckets + 1))

    @torch.no_grad()
    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Count in how many training texts each row occurs.

        Shape:
            x ``[N, T]``, mask ``[N, T]``.
        """
        texts = torch.arange(len(x), device=x.device).unsqueeze(1).expand_as(x)
        pairs = (
            torch.stack([texts, x], -1).reshape(-1, 2) if mask is None else torch.stack([texts, x], -1)[mask]
        )
        counts = torch.bincount(torch.unique(pairs, dim=0)[:, 1], minlength=self.buckets + 1)
        self.inverse.copy_(((1 + len(x)) / (1 + counts)).log() + 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        x = zero_padding(x, mask)
        weight = zero_padding(self.inverse[x], mask)
        weight = weight / weight.square().sum(1, keepdim=True).sqrt().clamp_min(1e-6)
        weight = self.dropout(weight).to(self.embedding.weight.dtype)
        if torch.compiler.is_exporting():  # a graph of a bag asks for two texts or more
            pooled = (self.embedding(x) * weight.unsqueeze(-1)).sum(1)
        else:
            pooled = F.embedding_bag(x, self.embedding.weight, mode="sum", per_sample_weights=weight)
        return EncoderOutput(pooled)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the ids of a text's n-grams: its words, their neighbours, their parts; case is ignored."""
        words = [word.lower() for word in words_of(raw)]
        ids = [self.buckets]
        for word in words[: self.max_length]:
            ids += _ids_of_word(word, self.shortest, self.longest, self.buckets)
        for size in range(2, self.words + 1):
            grams = pairwise(words) if size == 2 else zip(*(words[i:] for i in range(size)), strict=False)
            ids += [_id(" ".join(gram), self.buckets) for gram in grams]
        return torch.tensor(ids[: self.max_length])


@functools.lru_cache(_KEPT)
def _ids_of_word(word: str, shortest: int, longest: int, buckets: int) -> tuple[int, ...]:
    """Return the ids of a word and of its parts."""
    marked = f"<{word}>"
    parts = [
        marked[start : start + size]
        for size in range(shortest, longest + 1)
        for start in range(len(marked) - size + 1)
    ]
    return tuple(_id(gram, buckets) for gram in (word, *parts))


def _id(gram: str, buckets: int) -> int:
    """Return the row of an n-gram: the same on every machine, unlike Python's own hash."""
    return zlib.crc32(in_utf8(gram)) % buckets
