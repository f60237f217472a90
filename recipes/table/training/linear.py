"""A linear model of the words of texts, where rows are too many for a kernel machine."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from sennit.data import View
from sennit.recipes.table.training.shallow import ShallowModel
from sennit.recipes.table.training.similarity import hashed_counts, inverse_frequency

STRENGTHS = (1.0, 3.0, 30.0)
"""Inverse strengths of the regularisation that are tried beside 10."""
_PLAIN = 10.0
_SCALE = 0.3


class LinearModel(ShallowModel):
    """Logistic regression on the weighted counts of hashed n-grams (TF-IDF) of texts, or ridge regression.

    Each text is a vector of the length 1, or of .3 where that has the smaller loss on the validation rows, as
    a text may tell less than another; the strength of the regularisation has the least loss on them too. It
    is fitted by scikit-learn, and kept as one coefficient for each n-gram.

    Source: Salton & Buckley, "Term-weighting Approaches in Automatic Text Retrieval", 1988; Genkin, Lewis &
    Madigan, "Large-Scale Bayesian Logistic Regression for Text Categorization", Technometrics 2007.

    Args:
        inputs: Texts that it reads.
        inverse: Weight of each n-gram, for each text.
        coefficients: Coefficient of each n-gram, for each text and output.
        offset: Offset of each output.

    Shape:
        inverse ``[texts, size]``, coefficients ``[texts, size, outputs]``, offset ``[outputs]``; ids
        ``[B, T]``, result ``[B, outputs]``.
    """

    kind: ClassVar[str] = "linear"
    inverse: Tensor
    coefficients: Tensor
    offset: Tensor

    def __init__(
        self, inputs: Sequence[str], *, inverse: Tensor, coefficients: Tensor, offset: Tensor
    ) -> None:
        super().__init__(inputs)
        self.register_buffer("inverse", inverse)
        self.register_buffer("coefficients", coefficients)
        self.register_buffer("offset", offset)

    @classmethod
    def fit(
        cls,
        counts: Mapping[str, Tensor],
        y: Tensor,
        *,
        kind: str,
        outputs: int,
        validation: tuple[Mapping[str, Tensor], Tensor] | None = None,
    ) -> Self:
        """Fit to training rows.

        Args:
            counts: Counts of n-grams in each text, sparse; rows of zeros where it is absent.
            y: Class of each row ``[N]``, or flags or numbers ``[N, outputs]``.
            kind: ``"class"``, ``"multilabel"`` or ``"number"``.
            outputs: Number of classes, labels or numbers.
            validation: Counts and labels that choose lengths and strength.
        """
        from scipy import sparse

        inverse = torch.stack([inverse_frequency(x) for x in counts.values()])

        def matrix(of: Mapping[str, Tensor]) -> Any:
            return sparse.hstack([_csr(of[name], inverse[k]) for k, name in enumerate(counts)], format="csr")

        x, held = matrix(counts), None if validation is None else matrix(validation[0])
        size = inverse.shape[1]

        def tried(scales: tuple[float, ...], strength: float) -> tuple[float, np.ndarray, np.ndarray]:
            scale = np.repeat(scales, size)
            coefficients, offset = _fit(x @ sparse.diags(scale), y.numpy(), kind, outputs, strength)
            coefficients *= scale[:, None]
            if validation is None:
                return 0.0, coefficients, offset
            return (
                _loss(torch.from_numpy(held @ coefficients + offset), validation[1], kind),
                coefficients,
                offset,
            )

        scales = (1.0,) * len(counts)
        best = tried(scales, _PLAIN)
        if validation is not None:
            for k in range(len(counts)):
                smaller = (*scales[:k], _SCALE, *scales[k + 1 :])
                if len(counts) > 1 and (other := tried(smaller, _PLAIN))[0] < best[0]:
                    best, scales = other, smaller
            others = [tried(scales, strength) for strength in STRENGTHS]
            best = min([best, *others], key=lambda each: each[0])
        return cls(
            list(counts),
            inverse=inverse,
            coefficients=torch.from_numpy(best[1]).float().reshape(len(counts), size, outputs),
            offset=torch.from_numpy(best[2]).float(),
        )

    @torch.no_grad()
    def forward(self, view: View) -> Tensor:
        out = self.offset.double().repeat(view.batch_size, 1)
        for k, name in enumerate(self.inputs):
            valid = view.present[name].unsqueeze(1) & view.masks[name]
            counts = hashed_counts(view.inputs[name], valid, self.inverse.shape[1])
            rows, ids = counts.indices()
            weight = counts.values() * self.inverse[k][ids]
            norm = weight.new_zeros(len(out)).index_add_(0, rows, weight.square()).sqrt()
            out.index_add_(0, rows, (weight / norm[rows]).unsqueeze(1) * self.coefficients[k][ids])
        return out

    @classmethod
    def from_saved(cls, config: Mapping[str, Any], tensors: dict[str, Tensor]) -> Self:
        return cls(config["inputs"], **tensors)


def _csr(counts: Tensor, inverse: Tensor) -> Any:
    """Return weighted rows of the length 1, for SciPy."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    places = counts.coalesce().indices().numpy()
    values = counts.coalesce().values().double() * inverse[counts.coalesce().indices()[1]]
    return normalize(sparse.csr_matrix((values.numpy(), (places[0], places[1])), shape=tuple(counts.shape)))


def _fit(x: Any, y: np.ndarray, kind: str, outputs: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients ``[features, outputs]`` and offsets of logits, or of numbers."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    if kind == "number":
        ridge = Ridge(alpha=1 / strength).fit(x, y)
        return ridge.coef_.reshape(outputs, -1).T, np.atleast_1d(ridge.intercept_)
    columns = [y] if kind == "class" else list(y.T)
    coefficients, offset = np.zeros((x.shape[1], outputs)), np.full(outputs, 0.0)
    for k, labels in enumerate(columns):
        values = np.unique(labels).astype(int)
        if len(values) < 2:  # one class, or one value of a label: the others are as good as impossible
            offset[values if kind == "class" else k] = 20.0 if kind == "class" or values[0] else -20.0
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=strength, max_iter=200).fit(x, labels)
        if kind == "multilabel":
            coefficients[:, k], offset[k] = model.coef_[0], model.intercept_[0]
            continue
        offset[:] = -20.0  # classes that no row has
        offset[values] = 0.0
        if len(values) == 2:
            coefficients[:, values[1]], offset[values[1]] = model.coef_[0], model.intercept_[0]
        else:
            coefficients[:, values], offset[values] = model.coef_.T, model.intercept_
    return coefficients, offset


def _loss(outputs: Tensor, y: Tensor, kind: str) -> float:
    if kind == "class":
        return float(torch.nn.functional.cross_entropy(outputs, y.long()))
    if kind == "multilabel":
        return float(torch.nn.functional.binary_cross_entropy_with_logits(outputs, y.double()))
    return float((outputs - y).square().mean())
