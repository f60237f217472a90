"""Nodes of scikit-learn's boosted trees as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

_NEVER = -20.0  # log-odds of a class that no training row has


class JoinedTrees:
    """Trees of several fitted models, as they are joined.

    Args:
        outputs: Number of outputs, each the sum of its trees.
    """

    def __init__(self, outputs: int) -> None:
        self.baseline = np.full(outputs, _NEVER)
        self.trees: list[tuple[np.ndarray, np.ndarray, int]] = []

    def constant(self, k: int, kind: str, mean: float) -> None:
        """Add an output without a tree."""
        if kind == "class":
            self.baseline[round(mean)] = 0.0
        else:
            share = min(max(mean, 1e-6), 1 - 1e-6)
            self.baseline[k] = mean if kind == "number" else np.log(share / (1 - share))

    def add(self, model: Any, k: int, kind: str) -> None:
        """Add the trees of a fitted model, whose outputs are all classes, or output ``k``."""
        start = model._baseline_prediction.ravel()
        if kind == "class":
            seen = [int(name) for name in model.classes_]
            places = seen[1:] if len(start) == 1 else seen
            if len(start) == 1:  # log-odds of the second of two classes
                self.baseline[seen[0]] = 0.0
        else:
            places = [k]
        self.baseline[places] = start
        for of_round in model._predictors:
            for place, tree in zip(places, of_round, strict=True):
                self.trees.append((tree.nodes, tree.raw_left_cat_bitsets, place))

    def tensors(self) -> dict[str, Tensor]:
        """Return the nodes, a row for each tree; a leaf leads to itself."""
        shape = len(self.trees), max((len(nodes) for nodes, _, _ in self.trees), default=1)
        names = {
            "feature": "i8",
            "threshold": "f8",
            "left": "i8",
            "right": "i8",
            "value": "f8",
            "subset": "i8",
        }
        arrays = {name: np.zeros(shape, kind) for name, kind in names.items()}
        missing_left, subsets = np.zeros(shape, bool), list[np.ndarray]()
        for t, (nodes, bits, _) in enumerate(self.trees):
            n, leaf = len(nodes), nodes["is_leaf"].astype(bool)
            here = np.arange(n)
            arrays["feature"][t, :n] = np.where(leaf, 0, nodes["feature_idx"])
            arrays["threshold"][t, :n] = nodes["num_threshold"]
            arrays["left"][t, :n] = np.where(leaf, here, nodes["left"])
            arrays["right"][t, :n] = np.where(leaf, here, nodes["right"])
            arrays["value"][t, :n] = np.where(leaf, nodes["value"], 0)
            missing_left[t, :n] = nodes["missing_go_to_left"].astype(bool)
            split = nodes["is_categorical"].astype(bool) & ~leaf
            arrays["subset"][t, :n] = np.where(split, len(subsets) + nodes["bitset_idx"].astype("i8"), -1)
            subsets += [np.unpackbits(row.view(np.uint8), bitorder="little") for row in bits]
        table = np.array(subsets, bool) if subsets else np.zeros((1, 1), bool)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        output = torch.tensor([place for _, _, place in self.trees], dtype=torch.long)
        flags = {"missing_left": torch.from_numpy(missing_left), "subsets": torch.from_numpy(table)}
        return {**tensors, **flags, "output": output, "baseline": torch.from_numpy(self.baseline)}
