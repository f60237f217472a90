"""Targets with a label for each token of a text, or each step of another sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sennit.data.labels import unknown_labels
from sennit.data.target_spec import TargetSpec

NO_LABEL = -100
"""Value of a token without a label, as in transformers and PyTorch."""


@dataclass(frozen=True)
class TokenTargets(TargetSpec):
    """The targets of a sequence: a class for each of its tokens, by number or by name.

    None or -100 marks a token without a label. `Collate` pads the targets as it pads the sequence; padding
    has no label.

    Args:
        along: Modality whose tokens are labelled.

    Example:
        >>> spec = token_targets("text", ["O", "B-NP", "I-NP"])
        >>> spec.padded("chunk", [["B-NP", "O"], [2], None], lengths=[2, 1, 3], index=[0, 1, 2])
        [tensor([   1,    0, -100]), tensor([   2, -100, -100]), None]
    """

    along: str = ""

    def ids(self, name: str, value: Any, index: Any = None) -> Tensor:
        """Return the classes of a sequence as numbers, -100 where one is unknown.

        Raises:
            ValueError: A label is no class; close matches are named.
        """
        ids = self.decode(name, value, index)
        return ids.masked_fill(unknown_labels(ids), NO_LABEL)

    def on_tokens(
        self, name: str, value: Any, starts: Sequence[tuple[str, int | None]], count: int
    ) -> Tensor:
        """Return the labels of words as labels of tokens: of the first one of each word.

        Args:
            name: Name of the task, for error messages.
            value: Label of each word.
            starts: Words and the places of their first tokens, as `SampleReader.word_starts` gives them.
            count: Number of tokens.

        Shape:
            result ``[count]``, -100 where no word starts.

        Raises:
            ValueError: There are not as many labels as words.
        """
        ids = self.ids(name, value)
        if ids.shape != (len(starts),):
            words = " ".join(word for word, _ in starts[:5])
            raise ValueError(
                f"`targets['{name}']` should hold a label for each of the {len(starts)} words of "
                f"`inputs['{self.along}']` ('{words}' ...). Found {_size(ids)}."
            )
        places = [(i, place) for i, (_, place) in enumerate(starts) if place is not None]
        tokens = torch.full((count,), NO_LABEL, dtype=self.dtype)
        tokens[[place for _, place in places]] = ids[[i for i, _ in places]]
        return tokens

    def padded(
        self, name: str, values: Sequence[Any], *, lengths: Sequence[int], index: Sequence[Any]
    ) -> list[Tensor | None]:
        """Return the targets of a batch at one length: that of its longest sequence.

        Args:
            name: Name of the task, for error messages.
            values: Target of each sample, or None.
            lengths: Number of tokens of each sample; 0 where the modality is absent, whose target is dropped.
            index: Id of each sample, for error messages.

        Raises:
            ValueError: A target has another length than its sequence; its sample is named.
        """
        longest = max(*lengths, 1)
        rows: list[Tensor | None] = []
        for value, length, i in zip(values, lengths, index, strict=True):
            if value is None or length == 0:
                rows.append(None)
                continue
            ids = self.ids(name, value, i)
            if ids.shape != (length,):
                raise ValueError(
                    f"`targets['{name}']` of the sample with index {i} should hold a label for each of the "
                    f"{length} tokens of `inputs['{self.along}']`. Found {_size(ids)}. Labels of words "
                    f"become labels of tokens in `model.preprocessing()`; mark an unknown one by None."
                )
            row = torch.full((longest,), NO_LABEL, dtype=self.dtype)
            row[:length] = ids
            rows.append(row)
        return rows


def token_targets(along: str, names: Sequence[str]) -> TokenTargets:
    """Return the targets of classes for each token of a modality."""
    return TokenTargets((None,), torch.long, len(names), ignore=NO_LABEL, along=along, names=tuple(names))


def _size(ids: Tensor) -> str:
    return f"{len(ids)}" if ids.dim() == 1 else f"shape {tuple(ids.shape)}"
