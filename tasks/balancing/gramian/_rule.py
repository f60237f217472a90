"""What a rule for a kind of layer is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor


class Rule:
    """The tasks' gradients of a weight, from those at the output of the operation that it is used in.

    A subclass defines `gradients`, and `products` where there is a shorter way to the inner products.

    Args:
        node: The operation in the graph, whose ``_saved_…`` attributes hold what it was given.

    Attributes:
        sparse: Whether a backward pass gives a sparse gradient, which `gradients` does not.
    """

    sparse = False

    def __init__(self, node: Any) -> None:
        raise NotImplementedError

    @classmethod
    def fits(cls, node: Any) -> bool:
        """Whether the rule holds for this operation with its options."""
        return True

    def is_shorter(self, tasks: int, shape: Sequence[int]) -> bool:
        """Whether `products`, and the gradient of one mixture, cost less than the gradient of each task.

        Args:
            tasks: How many, T.
            shape: Of the operation's output.
        """
        return False

    def gradients(self, grads: Tensor) -> Tensor:
        """The weight's gradients.

        Args:
            grads: Of the tasks, or one alone, at the operation's output.

        Shape:
            ``[T, ...]``, as the output behind T, to ``[T, ...]``, as the operation's weight behind T.
        """
        raise NotImplementedError

    def products(self, grads: Tensor) -> Tensor:
        """Inner products of the weight's gradients ``[T, T]``, at least in float32."""
        return inner_products(self.gradients(grads))


def inner_products(gradients: Tensor) -> Tensor:
    """``⟨g_s, g_t⟩`` for all pairs, at least in float32.

    Shape:
        ``[T, ...]`` to ``[T, T]``.
    """
    flat = gradients.flatten(1) if gradients.dim() > 1 else gradients.unsqueeze(1)
    flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
    return flat @ flat.T


RULES: dict[str, tuple[int, type[Rule]]] = {}
"""By the name of the operation's node: which of its inputs is the weight, and the rule."""

R = TypeVar("R", bound=type[Rule])


def register_rule(node: str, *, weight: int) -> Callable[[R], R]:
    """Decorator that makes a rule serve an operation of the graph.

    Args:
        node: Name of its node (``tensor.grad_fn.name()``), such as ``"AddmmBackward0"``.
        weight: Which of the node's inputs (``next_functions``) is the weight.

    Raises:
        ValueError: The node has a rule for that input.
    """

    def file(rule: R) -> R:
        if node in RULES:
            raise ValueError(f"operation '{node}' has a rule already: {RULES[node][1].__name__}.")
        RULES[node] = weight, rule
        return rule

    return file


def list_rules() -> list[str]:
    """Names of the operations that have a rule, sorted."""
    return sorted(RULES)
