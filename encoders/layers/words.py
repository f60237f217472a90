"""Vectors of words: one of a table for those that are known, one of the characters for all."""

from __future__ import annotations

import functools
import hashlib
import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.masking import zero_padding
from sennit.data.words import in_utf8

_NO_WORD = torch.iinfo(torch.long).max
_DIGIT = re.compile(r"\d")


@functools.lru_cache(maxsize=1 << 16)
def word_row(word: str, max_chars: int) -> tuple[int, ...]:
    """Return what stands for a word in a tensor: a number of its form, and its bytes.

    The number is a hash of 62 bits of the word in small letters with 0 for each digit. Of a word of more than
    ``max_chars`` bytes the first and the last are kept. A byte is raised by one: 0 is the padding.

    Example:
        >>> word_row("Ab", 4)[1:], word_row("Ab", 4)[0] == word_row("ab", 4)[0]
        ((66, 99, 0, 0), True)
    """
    form = in_utf8(_DIGIT.sub("0", word.lower()))
    number = int.from_bytes(hashlib.blake2b(form, digest_size=8).digest()) >> 2
    code = in_utf8(word)
    if len(code) > max_chars:
        code = code[: max_chars // 2] + code[-((max_chars + 1) // 2) :]
    return number, *(byte + 1 for byte in code), *[0] * (max_chars - len(code))


class Vocabulary(nn.Module):
    """Numbers of known words, each of which has a place; 0 is the place of all others.

    The table is a buffer, so that it is saved, and restored after a kill, with the weights.

    Args:
        size: Most words that are known.
    """

    numbers: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("numbers", torch.full((size,), _NO_WORD))

    def fit(self, numbers: Tensor) -> None:
        """Keep the commonest of the numbers of training words; equally common ones in the order of numbers.

        Shape:
            numbers ``[N]``; 0 is no word.
        """
        distinct, counts = torch.unique(numbers[numbers > 0], return_counts=True)
        commonest = counts.argsort(descending=True, stable=True)[: len(self.numbers)]
        self.numbers.fill_(_NO_WORD)
        self.numbers[: len(commonest)] = distinct[commonest].sort().values

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the places of words, from 0 to ``size``.

        Shape:
            any, and the same.
        """
        # A binary search of gathers: every exporter has them, unlike `searchsorted`.
        size = self.numbers.shape[0]
        place = torch.zeros_like(numbers)
        for bit in reversed(range(size.bit_length())):
            probe = place + (1 << bit)
            smaller = self.numbers[(probe - 1).clamp(max=size - 1)] <= numbers
            place = torch.where((probe <= size) & smaller, probe, place)
        listed = self.numbers[(place - 1).clamp(min=0)] == numbers
        return torch.where(listed, place, torch.zeros_like(place))


class WordVectors(nn.Module):
    """A vector of each word: of a table, beside one that a convolution makes of its characters.

    Source: Ma and Hovy, "End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF", ACL 2016, §2.1, with
    the bytes of UTF-8 as characters.

    Args:
        max_words: Most words in the table.
        word_dim: Size of a word's vector in the table.
        char_dim: Size of a character's vector.
        char_filters: Number of filters, each the maximum over the places in the word.
        word_dropout: Probability of taking a known word for an unknown one in training, from which the vector
            of unknown words learns.

    Shape:
        ``[B, T, 1 + max_chars]`` (rows of `word_row`), mask ``[B, T]``; result
        ``[B, T, word_dim + char_filters]``, zeros in the padding.
    """

    def __init__(
        self, max_words: int, word_dim: int, char_dim: int, char_filters: int, word_dropout: float
    ) -> None:
        super().__init__()
        self.vocabulary = Vocabulary(max_words)
        self.words = nn.Embedding(max_words + 1, word_dim)
        self.chars = nn.Embedding(257, char_dim)
        self.filters = nn.Conv1d(char_dim, char_filters, 3, padding=1)
        nn.init.normal_(self.words.weight, std=word_dim**-0.5)
        self.word_dropout = word_dropout

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        places = self.vocabulary(x[..., 0])
        if self.training and self.word_dropout:
            dropped = torch.rand(places.shape, device=x.device) < self.word_dropout
            places = places.masked_fill(dropped, 0)
        return zero_padding(torch.cat([self.words(places), self.of_chars(x[..., 1:])], -1), mask), mask

    def of_chars(self, chars: Tensor) -> Tensor:
        """Return the vectors of the characters alone.

        Shape:
            ``[B, T, max_chars]`` to ``[B, T, char_filters]``.
        """
        flat = chars.flatten(0, 1)
        vectors = zero_padding(self.chars(flat), flat > 0).transpose(1, 2)
        # A place without a character is below every other after the rectifier, and never the maximum.
        heights = F.relu(self.filters(vectors)).masked_fill((flat == 0).unsqueeze(1), 0)
        return heights.amax(-1).reshape(*chars.shape[:2], -1)
