"""Samples that hold what frozen encoders made of them, kept on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from sennit.files import read_json_object, write_json

INDEX, VALUES, STARTS = "index.json", "values.f32", "starts.npy"


@dataclass(frozen=True)
class FeatureSizes:
    """Sizes of the features of one encoder.

    Attributes:
        embed_dim: Size of ``pooled``.
        token_dim: Size of each token; None without tokens.
        sequence: Whether samples differ in the number of tokens, which a mask then marks.
    """

    embed_dim: int
    token_dim: int | None
    sequence: bool

    @property
    def width(self) -> int:
        """Size of a row: ``pooled`` is the first row of a sample, its tokens follow."""
        return max(self.embed_dim, self.token_dim or 0)


class Features:
    """The features of one modality, read from disk when they are needed.

    Args:
        folder: Folder that `sennit.tasks.cache_features` wrote.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes = FeatureSizes(**read_json_object(folder / INDEX))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        starts: NDArray[np.int64] = np.load(self.folder / STARTS, allow_pickle=False)
        return starts

    @cached_property
    def _values(self) -> NDArray[np.float32]:
        shape = (int(self._starts[-1]), self.sizes.width)
        # Copy on write: torch warns about read-only memory.
        return np.memmap(self.folder / VALUES, dtype=np.float32, mode="c", shape=shape)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "sizes": self.sizes}  # a worker opens the files again

    def row(self, sample: int) -> Tensor | None:
        """Return the features of a sample; None where it lacks the modality."""
        start, end = self._starts[sample : sample + 2]
        if start == end:
            return None
        x = torch.from_numpy(np.array(self._values[start:end]))
        return x if self.sizes.token_dim is not None else x[0]


class FeatureDataset(Dataset[dict[str, Any]]):
    """Samples in which features stand for the inputs of some modalities; see `sennit.tasks.cache_features`.

    Args:
        samples: Samples without those inputs.
        features: Features by modality.
    """

    def __init__(self, samples: Sequence[Mapping[str, Any]], features: Mapping[str, Features]) -> None:
        self.samples, self.features = samples, dict(features)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.samples[index]
        read = {name: features.row(index) for name, features in self.features.items()}
        inputs = {**sample["inputs"], **{name: x for name, x in read.items() if x is not None}}
        return {**sample, "inputs": inputs}


def write_index(folder: Path, sizes: FeatureSizes, counts: Sequence[int]) -> None:
    """Write the sizes, and where the rows of each sample begin.

    Args:
        folder: Folder of the features.
        sizes: Sizes of the features.
        counts: Number of rows of each sample.
    """
    np.save(folder / STARTS, np.cumsum([0, *counts]).astype(np.int64))
    write_json(folder / INDEX, asdict(sizes))
