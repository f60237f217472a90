"""How alike two rows are in one input: kernels whose rows to compare with are kept as tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import Tensor, nn

from sennit.recipes.table.training.compared import COMPARED, Compared

T = TypeVar("T", bound="Similarity")
WIDTHS = (0.1, 0.3, 1.0)
"""Widths over which a kernel is the mean: none has to be chosen by few rows."""
_LARGEST = 5.0  # standard deviations beyond which a number is cut
_AT_ONCE = 64  # texts that are compared together, as they are dense then


class Similarity(nn.Module, ABC):
    """Base of the similarities of an input; 1 between a row and itself.

    Attributes:
        kind: Name of its kind in a saved model.
    """

    kind: ClassVar[str]

    @abstractmethod
    def vectors(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return what is compared of each row, dense or sparse ``[B, F]``."""

    @abstractmethod
    def fit(self, vectors: Tensor) -> None:
        """Set scales by the vectors of training rows, and keep these to compare with."""

    @abstractmethod
    def forward(self, vectors: Tensor) -> Tensor:
        """Return the similarity of each row with each one that is kept, ``[B, kept]`` in double precision."""

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Plain values from which it is made again."""

    @classmethod
    @abstractmethod
    def from_saved(cls, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        """Make it from its ``options``, with tensors of the sizes that it was saved with."""


class NumberSimilarity(Similarity):
    """Mean of radial kernels of three widths, over the vectors of an input.

    ``k(a, b) = Σ exp(-γ |a - b|² / F) / 3`` with γ of .1, .3 and 1, over standardised vectors of size F; the
    mean of these, where an input has several vectors. A missing number is the mean.

    Args:
        compared: Vectors of the input.

    Shape:
        vectors ``[B, F]``, result ``[B, kept]``.
    """

    kind: ClassVar[str] = "numbers"
    kept: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, compared: Compared) -> None:
        super().__init__()
        self.compared = compared
        size = sum(compared.sizes)
        for name, x in (
            ("kept", torch.zeros(0, size)),
            ("mean", torch.zeros(size)),
            ("scale", torch.ones(size)),
        ):
            self.register_buffer(name, x)

    def vectors(self, x: Tensor, mask: Tensor | None) -> Tensor:
        out: Tensor = self.compared(x, mask)
        return out

    def fit(self, vectors: Tensor) -> None:
        x = vectors.double()
        self.mean = x.nanmean(0).nan_to_num(nan=0.0)
        deviation = (x - self.mean).square().nanmean(0).sqrt().nan_to_num(nan=0.0)
        self.scale = torch.where(deviation > 1e-6 * (1 + self.mean.abs()), deviation, 1.0)
        self.kept = self._scaled(vectors)

    def forward(self, vectors: Tensor) -> Tensor:
        a, b = self._scaled(vectors), self.kept
        total = a.new_zeros(len(a), len(b))
        sizes = list(self.compared.sizes)
        for x, y in zip(torch.split(a, sizes, 1), torch.split(b, sizes, 1), strict=True):
            distance = torch.cdist(x, y).square() / x.shape[1]
            for width in WIDTHS:
                total += (-width * distance).exp()
        return total / (len(WIDTHS) * len(sizes))

    def _scaled(self, vectors: Tensor) -> Tensor:
        x = (vectors.double() - self.mean) / self.scale
        return x.nan_to_num(nan=0.0).clamp(-_LARGEST, _LARGEST)

    @property
    def options(self) -> dict[str, Any]:
        return {"compared": self.compared.kind, **self.compared.options}

    @classmethod
    def from_saved(cls, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        made = {name: value for name, value in options.items() if name != "compared"}
        return _sized(cls(COMPARED[options["compared"]](**made)), tensors)


class TextSimilarity(Similarity):
    """Cosine of the weighted counts of hashed n-grams (TF-IDF).

    Source: Salton & Buckley, "Term-weighting Approaches in Automatic Text Retrieval", 1988; Joachims, "Text
    Categorization with Support Vector Machines", ECML 1998.

    Args:
        buckets: Number of rows of the hashing, as `hashed_ngrams` has them.

    Shape:
        ids ``[B, T]``, mask ``[B, T]``; vectors sparse ``[B, buckets + 1]``, result ``[B, kept]``.
    """

    kind: ClassVar[str] = "text"
    inverse: Tensor
    places: Tensor
    values: Tensor
    count: Tensor

    def __init__(self, buckets: int) -> None:
        super().__init__()
        self.buckets = buckets
        self.register_buffer("inverse", torch.ones(buckets + 1))
        self.register_buffer("places", torch.zeros(2, 0, dtype=torch.long))
        self.register_buffer("values", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def vectors(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return hashed_counts(x, mask, self.buckets + 1)

    def fit(self, vectors: Tensor) -> None:
        self.inverse = inverse_frequency(vectors)
        kept = torch.cat([self._weighted(x).to_sparse() for x in _pieces(vectors)]).coalesce()
        self.places, self.values = kept.indices(), kept.values()
        self.count = torch.tensor(len(vectors))

    def forward(self, vectors: Tensor) -> Tensor:
        kept = torch.sparse_coo_tensor(
            self.places,
            self.values,
            (int(self.count), self.buckets + 1),
            is_coalesced=True,
            check_invariants=False,
        )
        parts = [torch.sparse.mm(kept, self._weighted(x).T).T for x in _pieces(vectors)]
        return torch.cat(parts) if parts else self.values.new_zeros(0, int(self.count))

    def _weighted(self, counts: Tensor) -> Tensor:
        x = counts.to_dense().double() * self.inverse
        return torch.nn.functional.normalize(x, eps=1e-9)

    @property
    def options(self) -> dict[str, Any]:
        return {"buckets": self.buckets}

    @classmethod
    def from_saved(cls, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        return _sized(cls(options["buckets"]), tensors)


SIMILARITIES: Mapping[str, type[Similarity]] = {s.kind: s for s in (NumberSimilarity, TextSimilarity)}
"""Classes by kind."""


def hashed_counts(ids: Tensor, mask: Tensor | None, size: int) -> Tensor:
    """Return how often each id occurs in each text.

    Shape:
        ids ``[B, T]``, mask ``[B, T]``; result sparse ``[B, size]``.

    Example:
        >>> hashed_counts(torch.tensor([[2, 0, 2]]), None, 4).to_dense().tolist()
        [[1.0, 0.0, 2.0, 0.0]]
    """
    valid = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
    rows = torch.arange(len(ids), device=ids.device).unsqueeze(1).expand_as(ids)
    places = torch.stack([rows[valid], ids[valid]])
    ones = torch.ones(places.shape[1], device=ids.device)
    return torch.sparse_coo_tensor(places, ones, (len(ids), size), check_invariants=False).coalesce()


def inverse_frequency(counts: Tensor) -> Tensor:
    """Return ``log((1 + N) / (1 + n)) + 1`` for each id, which n of N texts hold; rows of zeros are no texts.

    Shape:
        counts sparse ``[N, size]``, result ``[size]``.

    Example:
        >>> inverse_frequency(hashed_counts(torch.tensor([[0, 0], [0, 1]]), None, 2))[0]
        tensor(1., dtype=torch.float64)
    """
    rows, ids = counts.coalesce().indices()
    held = torch.bincount(ids, minlength=counts.shape[1])
    return ((1 + len(rows.unique())) / (1 + held.double())).log() + 1


def _pieces(vectors: Tensor) -> list[Tensor]:
    """Return sparse rows, a few at a time."""
    count = vectors.shape[0]
    places = [
        torch.arange(i, min(i + _AT_ONCE, count), device=vectors.device) for i in range(0, count, _AT_ONCE)
    ]
    return [vectors.index_select(0, rows) for rows in places]


def _sized(part: T, tensors: Mapping[str, Tensor]) -> T:
    """Give a part's buffers the sizes and types that were saved."""
    for name in part._buffers:
        setattr(part, name, torch.zeros_like(tensors[name]))
    return part
