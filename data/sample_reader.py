"""The reader of one modality's raw samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sennit.data.input_spec import InputSpec


class SampleReader:
    """Turns raw samples of one modality into tensors; every encoder is one.

    A subclass whose raw samples are images, recordings or series defines `load_raw`, so that `Transforms` can
    act between it and `to_tensor`.

    Attributes:
        input_spec: Shape and type of the tensor of one sample.
        raw_samples: Kinds of raw samples that `to_tensor` reads, in words for the model card.
    """

    input_spec: InputSpec
    raw_samples: ClassVar[str] = "an array or a list"

    def describe_raw(self) -> str:
        """Return the kinds of raw samples that this reader takes, in words."""
        return self.raw_samples

    @property
    def takes_transforms(self) -> bool:
        """Whether transforms can act on what `load_raw` returns: an image, a waveform or a series."""
        return type(self).load_raw is not SampleReader.load_raw

    @property
    def reads_words(self) -> bool:
        """Whether `word_starts` says where the words of a raw sample are."""
        return type(self).word_starts is not SampleReader.word_starts

    @property
    def reads_columns(self) -> bool:
        """Whether `columns_to_tensor` reads many samples at once."""
        return type(self).columns_to_tensor is not SampleReader.columns_to_tensor

    def load_raw(self, raw: Any) -> Any:
        """Load what transforms act on from a raw sample, such as an image from a path."""
        return raw

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the tensor of a raw sample (an array or a list by default) as `input_spec` says."""
        return torch.as_tensor(raw, dtype=self.input_spec.dtype)

    def columns_to_tensor(self, columns: Sequence[np.ndarray]) -> Tensor:
        """Return the tensors of many samples at once, from the columns of a table.

        Args:
            columns: Columns in order: numbers and codes of categories; NaN where a cell is missing.

        Shape:
            columns ``[N]`` each, result ``[N, *input_spec.shape]``; each row as `to_tensor` returns it.

        Raises:
            TypeError: The reader reads no columns.
        """
        raise TypeError(f"{type(self).__name__} does not read columns. Use a table encoder.")

    def word_starts(self, raw: Any) -> list[tuple[str, int | None]]:
        """Return the words of a raw text, each with the place of the first token that stands for it.

        The place is None for a word that was cut off.

        Raises:
            TypeError: The reader knows no words.
        """
        raise TypeError(f"{type(self).__name__} does not read words. Use a text encoder.")
