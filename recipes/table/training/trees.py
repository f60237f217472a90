"""Boosted trees over the numbers and categories of a table, as plain tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from sennit.data import View
from sennit.recipes.table.training.shallow import ShallowModel
from sennit.recipes.table.training.tree_nodes import JoinedTrees

_ROUNDS, _PATIENCE = 300, 20
_MOST_CATEGORIES = 255  # that scikit-learn's trees tell apart
_AT_ONCE = 2**17  # pairs of a row and a tree that are held together: what a processor's cache holds
_TENSORS = ("feature", "threshold", "left", "right", "value", "missing_left", "subset", "subsets", "output")


class BoostedTrees(ShallowModel):
    """Histogram-based gradient boosting, fitted by scikit-learn and evaluated as tensors.

    Each node sends a row to the left if its number is at most the threshold, or its category in the node's
    subset; a missing cell goes where it lowered the loss. What is saved is numbers only, so that loading
    executes nothing.

    Source: Friedman, "Greedy Function Approximation", 2001, with the histograms of Ke et al., "LightGBM",
    NeurIPS 2017, in scikit-learn's ``HistGradientBoostingClassifier`` and ``...Regressor``.

    Args:
        tensors: Nodes of all trees, as `fit` makes them.
        table: Modality that they read.

    Shape:
        rows ``[B, columns]`` as an `mlp` reads them, categories last, NaN where missing; result
        ``[B, outputs]``: logits of classes or labels, or numbers.

    Example:
        >>> x = torch.arange(40.0).unsqueeze(1)
        >>> trees = BoostedTrees.fit(x, (x[:, 0] > 20).long(), kind="class", outputs=2, categories=[])
        >>> trees.outputs(torch.tensor([[3.0], [33.0]])).argmax(1).tolist()
        [0, 1]
    """

    kind: ClassVar[str] = "trees"
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    missing_left: Tensor
    subset: Tensor
    subsets: Tensor
    output: Tensor
    baseline: Tensor
    codes: Tensor

    def __init__(self, tensors: Mapping[str, Tensor], *, table: str = "table") -> None:
        super().__init__([table])
        for name in (*_TENSORS, "baseline", "codes"):
            self.register_buffer(name, tensors[name])

    @classmethod
    def fit(
        cls,
        x: Tensor,
        y: Tensor,
        *,
        kind: str,
        outputs: int,
        categories: Sequence[int],
        validation: tuple[Tensor, Tensor] | None = None,
        seed: int = 0,
        table: str = "table",
    ) -> Self:
        """Fit to training rows; the number of trees is the best for the validation rows, where given.

        Args:
            x: Training rows.
            y: Class of each ``[N]``, flags of labels or numbers ``[N, outputs]``; NaN where unknown.
            kind: ``"class"``, ``"multilabel"`` or ``"number"``.
            outputs: Number of classes, labels or numbers.
            categories: Number of values of each of the last columns.
            validation: Rows and labels that choose the number of trees.
            seed: Random seed.
            table: Modality that the trees will read.
        """
        codes = _codes(x, categories)
        columns = y.unsqueeze(1) if kind == "class" else y
        joined = JoinedTrees(outputs)
        for k in range(columns.shape[1]):
            labelled = ~columns[:, k].isnan() if columns.is_floating_point() else columns[:, k] >= 0
            train = _read(x[labelled], codes), columns[labelled, k].numpy()
            held = (
                None
                if validation is None
                else (
                    _read(validation[0], codes),
                    validation[1].reshape(len(validation[1]), -1)[:, k].numpy(),
                )
            )
            model = _fit(train, held, kind=kind, categories=len(categories), seed=seed)
            if model is None:
                joined.constant(k, kind, float(train[1].mean()) if len(train[1]) else 0.0)
            else:
                joined.add(model, k, kind)
        return cls({**joined.tensors(), "codes": codes}, table=table)

    def forward(self, view: View) -> Tensor:
        (table,) = self.inputs
        return self.outputs(view.inputs[table].masked_fill(~view.present[table].unsqueeze(1), torch.nan))

    @classmethod
    def from_saved(cls, config: Mapping[str, Any], tensors: dict[str, Tensor]) -> Self:
        return cls(tensors, table=config["inputs"][0])

    @torch.no_grad()
    def outputs(self, x: Tensor) -> Tensor:
        """Return the outputs for rows of the table."""
        x = _read_tensor(x, self.codes)
        step = max(1, _AT_ONCE // max(1, len(self.feature)))
        return (
            torch.cat([self._outputs(piece) for piece in torch.split(x, step)])
            if len(x)
            else self.baseline[:0]
        )

    def _outputs(self, x: Tensor) -> Tensor:
        out = self.baseline.expand(len(x), -1).clone()
        if not len(self.feature):
            return out
        first = torch.arange(len(self.feature), device=x.device) * self.feature.shape[1]
        children = (torch.stack([self.right, self.left], 2) + first[:, None, None]).flatten()
        codes, missing = self.subsets.shape[1], bool(x.isnan().any())
        begin = torch.arange(len(x), device=x.device).unsqueeze(1) * x.shape[1]
        node, previous = first.expand(len(x), -1), None  # counted over all trees
        while previous is None or not torch.equal(node, previous):
            cell = x.take(begin + self.feature.take(node))
            below = cell <= self.threshold.take(node)
            subset = self.subset.take(node)
            named = (subset >= 0).nonzero(as_tuple=True)
            code = cell[named].nan_to_num(nan=0.0).long().clamp(0, codes - 1)
            below[named] = self.subsets.take(subset[named] * codes + code)
            if missing:
                below = torch.where(cell.isnan(), self.missing_left.take(node), below)
            node, previous = children.take(node * 2 + below), node
        return out.index_add_(1, self.output, self.value.take(node))


def _codes(x: Tensor, categories: Sequence[int]) -> Tensor:
    """Return the code that trees read for each of each column's; NaN for one that no training row has.

    A column of more values than trees tell apart keeps its commonest.
    """
    first = x.shape[1] - len(categories)
    codes = torch.full((len(categories), max(categories, default=0)), torch.nan, dtype=torch.float64)
    for k, size in enumerate(categories):
        column = x[:, first + k]
        counts = torch.bincount(column[~column.isnan()].long(), minlength=size)
        kept = counts.argsort(descending=True, stable=True)[:_MOST_CATEGORIES]
        kept = kept[counts[kept] > 0].sort().values
        codes[k, kept] = torch.arange(len(kept), dtype=torch.float64)
    return codes


def _read_tensor(x: Tensor, codes: Tensor) -> Tensor:
    """Return rows as trees read them: categories first, by their codes."""
    first = x.shape[1] - len(codes)
    x = x.double()
    columns = []
    for k in range(len(codes)):
        cell = x[:, first + k]
        code = codes[k][cell.nan_to_num(nan=0.0).long().clamp(0, codes.shape[1] - 1)]
        columns.append(torch.where(cell.isnan(), torch.nan, code))
    return torch.cat([*(column.unsqueeze(1) for column in columns), x[:, :first]], 1)


def _read(x: Tensor, codes: Tensor) -> np.ndarray:
    array: np.ndarray = _read_tensor(x, codes).numpy()
    return array


def _fit(
    train: tuple[np.ndarray, np.ndarray],
    held: tuple[np.ndarray, np.ndarray] | None,
    *,
    kind: str,
    categories: int,
    seed: int,
) -> Any:
    """Return a fitted model, or None where all labels are the same."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    x, y = train
    if len(np.unique(y)) < 2:
        return None
    fixed: dict[str, Any] = {
        "max_iter": _ROUNDS,
        "n_iter_no_change": _PATIENCE,
        "categorical_features": list(range(categories)) or None,
        "random_state": seed,
    }
    given: dict[str, Any] = {}
    if held is not None:
        usable = np.isin(held[1], np.unique(y)) if kind != "number" else ~np.isnan(held[1])
        if usable.sum() > 1:
            given = {"X_val": held[0][usable], "y_val": held[1][usable]}
    fixed |= {"early_stopping": bool(given)} if given else {"early_stopping": False, "max_iter": 100}
    make = HistGradientBoostingRegressor if kind == "number" else HistGradientBoostingClassifier
    return make(**fixed).fit(x, y, **given)
