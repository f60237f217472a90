"""A recurrent encoder of words that needs no download."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.data.masking import masked_mean, zero_padding
from sennit.data.words import words_of
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.lstm import BiLSTM
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.layers.units import IdUnits
from sennit.encoders.layers.words import WordVectors, word_row
from sennit.encoders.types import EncoderOutput, TapInfo


@register_encoder("bilstm")
class BiLSTMEncoder(StagedEncoder):
    """Bidirectional LSTM over words; a token is a word.

    A word is read by its form (small letters, 0 for a digit), if that was among the commonest when the
    encoder was fitted, and by its characters, known or not. Until `fit`, which ``model.fit_preprocessing``
    calls, all words are unknown. The vocabulary is saved with the weights: a form by its hash of 62 bits, so
    that a text needs no file of words. Another form has the hash of one of 10,000 known words with a
    probability of 2·10⁻¹⁵; it would have that word's vector, and still its own characters.

    Source: Ma and Hovy, "End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF", ACL 2016, without
    the CRF.

    Args:
        max_words: Most words in the vocabulary.
        max_chars: Bytes of a word that are read; of a longer one the first and the last.
        word_dim: Size of the vector of a known word.
        char_dim: Size of the vector of a character.
        char_filters: Number of filters of three characters.
        embed_dim: Size of the output, of the tokens and of each tap; half for each direction.
        depth: Number of layers; one tap for each.
        dropout: Dropout probability of the words' vectors and of each layer's output.
        word_dropout: Probability of taking a known word for an unknown one in training.

    Shape:
        words ``[B, T, 1 + max_chars]`` as `to_tensor` makes them, mask ``[B, T]`` with the valid words first;
        pooled ``[B, embed_dim]``, tokens and taps ``[B, T, embed_dim]``.

    Raises:
        ValueError: ``embed_dim`` is odd.

    Example:
        >>> encoder = BiLSTMEncoder(max_words=100)
        >>> x = encoder.to_tensor("The cat sat.")
        >>> encoder.fit(x[None])
        >>> encoder(x[None]).tokens.shape
        torch.Size([1, 4, 128])
    """

    raw_samples: ClassVar[str] = "a text, or a list of its words"

    _sizes: ClassVar[tuple[str, ...]] = (
        "max_words",
        "max_chars",
        "word_dim",
        "char_dim",
        "char_filters",
        "embed_dim",
        "depth",
    )

    def __init__(
        self,
        *,
        max_words: int = 10_000,
        max_chars: int = 20,
        word_dim: int = 64,
        char_dim: int = 16,
        char_filters: int = 32,
        embed_dim: int = 128,
        depth: int = 1,
        dropout: float = 0.3,
        word_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.input_spec = InputSpec((None, 1 + max_chars), dtype=torch.long, sequence=True)
        self.embed_dim = self.token_dim = embed_dim
        self.tap_info = tuple(TapInfo(f"layer{i + 1}", embed_dim, "BTC") for i in range(depth))
        self.max_chars = max_chars
        self.embed = WordVectors(max_words, word_dim, char_dim, char_filters, word_dropout)
        self.dropout = nn.Dropout(dropout)
        sizes = [word_dim + char_filters, *[embed_dim] * (depth - 1)]
        self.stages = nn.ModuleList(BiLSTM(size, embed_dim, dropout) for size in sizes)

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set the vocabulary to the commonest words of training texts.

        Shape:
            x ``[N, T, 1 + max_chars]``, mask ``[N, T]``.
        """
        self.embed.vocabulary.fit(zero_padding(x[..., 0], mask).flatten())

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        vectors, mask = self.embed(x, mask)
        return self.dropout(vectors), mask

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        tokens, mask = taps[self.tap_info[-1].name], tap_masks.get(self.tap_info[-1].name)
        return EncoderOutput(masked_mean(tokens, mask), tokens, mask, taps, tap_masks)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return a row for each word of a text; one of zeros where it has no word."""
        rows = [word_row(word, self.max_chars) for word in words_of(raw)]
        return torch.tensor(rows or [(0,) * (1 + self.max_chars)])

    def word_starts(self, raw: Any) -> list[tuple[str, int | None]]:
        return [(word, place) for place, word in enumerate(words_of(raw))]

    def id_vectors(self) -> tuple[nn.Module, int]:
        return self.embed, self.embed.words.embedding_dim + self.embed.filters.out_channels

    def token_units(self) -> IdUnits:
        vocabulary = self.embed.vocabulary
        classes = len(vocabulary.numbers) + 1  # words that are not known, class 0, are no targets
        return IdUnits(classes, 0, without=(0,), classes_of=lambda x: vocabulary(x[..., 0]))

    def input_level(self) -> Encoder:
        return StepsInputLevel(self.embed, self.id_vectors()[1], self.input_spec, with_std=False)
