"""The base class of rules for kinds of layers, and their registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor


class Rule:
    """The tasks' gradients of a weight, from those at the output of the operation that uses it.

    A subclass defines `gradients`, and `products` where there is a shorter way to the inner products.

    Args:
        node: Node of the operation in the graph; its ``_saved_…`` attributes hold the operation's inputs.

    Attributes:
        sparse: Whether a backward pass gives a sparse gradient, which `gradients` does not.
    """

    sparse = False

    def __init__(self, node: Any) -> None:
        raise NotImplementedError

    @classmethod
    def fits(cls, node: Any) -> bool:
        """Return whether the rule holds for this operation with its options."""
        return True

    def is_shorter(self, tasks: int, shape: Sequence[int]) -> bool:
        """Return whether `products` and the gradient of one mixture cost less than every task's gradient.

        Args:
            tasks: Number of tasks, T.
            shape: Shape of the operation's output.
        """
        return False

    def gradients(self, grads: Tensor) -> Tensor:
        """Return the weight's gradients.

        Args:
            grads: Gradients of the tasks, or of one alone, at the operation's output.

        Shape:
            ``[T, *output]`` to ``[T, *weight]``.
        """
        raise NotImplementedError

    def products(self, grads: Tensor) -> Tensor:
        """Return the inner products of the weight's gradients ``[T, T]``, at least in float32."""
        return inner_products(self.gradients(grads))


def inner_products(gradients: Tensor) -> Tensor:
    """Return ``⟨g_s, g_t⟩`` for all pairs, at least in float32.

    Shape:
        ``[T, ...]`` to ``[T, T]``.
    """
    flat = gradients.flatten(1) if gradients.dim() > 1 else gradients.unsqueeze(1)
    flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
    return flat @ flat.T


RULES: dict[str, tuple[int, type[Rule]]] = {}
"""For the name of an operation's node the index of its weight among the inputs, and the rule."""

R = TypeVar("R", bound=type[Rule])


def register_rule(node: str, *, weight: int) -> Callable[[R], R]:
    """Return a decorator that registers a rule for an operation of the graph.

    Args:
        node: Name of its node (``tensor.grad_fn.name()``), such as ``"AddmmBackward0"``.
        weight: Index of the weight among the node's inputs (``next_functions``).

    Raises:
        ValueError: The operation has a rule already.
    """

    def file(rule: R) -> R:
        if node in RULES:
            raise ValueError(f"operation '{node}' has a rule already: {RULES[node][1].__name__}.")
        RULES[node] = weight, rule
        return rule

    return file


def list_rules() -> list[str]:
    """Return the names of the operations that have a rule, sorted."""
    return sorted(RULES)
