"""Names and weights of classes and labels, as tasks are given them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def named_classes(classes: int | Sequence[str], *, least: int, owner: str) -> list[str]:
    """Return the names of classes; their numbers where only how many is given.

    Args:
        classes: Names, or their number.
        least: Smallest number of classes.
        owner: Task, for the message.

    Raises:
        ValueError: There are too few, or two have the same name.
    """
    names = [str(i) for i in range(classes)] if isinstance(classes, int) else list(classes)
    if len(names) < least:
        kind = "two classes" if least == 2 else "one label"
        raise ValueError(f"{owner} needs {kind} or more. Found {len(names)}.")
    twice = [name for k, name in enumerate(names) if name in names[:k]]
    if twice:
        raise ValueError(f"each class of {owner} should have a name of its own. Found {twice[0]!r} twice.")
    return names


def weights_of_classes(weights: Sequence[float] | None, count: int) -> Tensor | None:
    """Return the weights of classes as a tensor; None where there are none.

    Args:
        weights: Weight of each class.
        count: Number of classes.

    Raises:
        ValueError: There is another number of them, or one is negative or not finite, or all are zero.
    """
    if weights is None:
        return None
    if len(weights) != count:
        raise ValueError(f"`class_weights` should hold {count} weights. Found {len(weights)}.")
    if not all(math.isfinite(w) and w >= 0 for w in weights) or not any(weights):
        raise ValueError(
            f"`class_weights` should be finite and 0 or more, and one above 0. Found {list(weights)}."
        )
    return torch.tensor(weights, dtype=torch.float32)
