"""The words of a text, and the tokens that stand for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_WORD = re.compile(r"\w+|[^\w\s]")


def words_of(raw: Any) -> list[str]:
    """Return the words of a raw text: a list of them as it is, a string split at spaces and signs.

    A string becomes its runs of letters and digits, and each other sign by itself. Give a list for another
    division, such as that of a corpus.

    Raises:
        TypeError: Neither a string nor a sequence of strings.

    Example:
        >>> words_of("It isn't, is it?")
        ['It', 'isn', "'", 't', ',', 'is', 'it', '?']
    """
    if isinstance(raw, str):
        return _WORD.findall(raw)
    if isinstance(raw, Sequence) and all(isinstance(word, str) for word in raw):
        return list(raw)
    kind = type(raw).__name__
    if isinstance(raw, Sequence):
        kind += f" that holds a {next(type(word).__name__ for word in raw if not isinstance(word, str))}"
    raise TypeError(f"a text should be a str or a list of words. Found {kind}.")


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the start and the end of each of the `words_of` a string, in characters."""
    return [match.span() for match in _WORD.finditer(text)]


def in_utf8(text: str) -> bytes:
    """Return the bytes of a text in UTF-8.

    Raises:
        ValueError: The text holds half of a character, as a wrong decoding leaves it.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"a text should be of whole characters. Found half of one at position {error.start}. Read "
            f"the text again in its own encoding."
        ) from None
