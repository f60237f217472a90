"""Functions that a task lends to those that learn from its outputs: comparison, soft and pseudo-labels."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor


def check_lends(name: str, task: Lending, *functions: str) -> None:
    """Refuse a task that does not lend what a method needs of it.

    Args:
        name: Name of the task.
        task: Task.
        functions: Names of the functions that the method calls.

    Raises:
        TypeError: One of them has no meaning for the task's kind.
    """
    for function in functions:
        if getattr(type(task), function) is getattr(Lending, function):
            raise TypeError(
                f"a task that is `of` '{name}' needs its {function}, which a {task.kind} does not have. Use "
                f"a task with probabilities or values."
            )


class Lending:
    """Functions of a task's outputs by which any method of consistency works for any kind of target.

    A kind of task defines those that have a meaning for its targets; the others are refused by name.
    """

    kind: ClassVar[str]

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return how far a student's outputs are from a teacher's, for each sample; 0 where they are equal.

        No gradient passes through the teacher's side.

        Shape:
            both as the task's head gives them, result ``[B]``.

        Raises:
            TypeError: The task has no such comparison.
        """
        raise TypeError(f"a {self.kind} compares no outputs. Use a task with probabilities or values.")

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the target that an output stands for: probabilities or values, without gradient.

        The task's loss takes it as it takes a target.

        Raises:
            TypeError: The task has none.
        """
        raise TypeError(f"a {self.kind} has no soft targets. Use a task with probabilities or values.")

    def output_for(self, target: Tensor) -> Tensor:
        """Return an output whose `soft_target` is the given one, such as logits of probabilities.

        Raises:
            TypeError: The task has none.
        """
        raise TypeError(f"a {self.kind} has no outputs of targets. Use a task with probabilities or values.")

    def pseudo_label(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return the target that the output names, and how confident it is, without gradient.

        Shape:
            target as the task's ``target`` says, confidence ``[B]`` from 0 to 1.

        Raises:
            TypeError: The task has none.
        """
        raise TypeError(f"a {self.kind} has no pseudo-labels. Use a classification or a multilabel task.")

    def sample_means(self, values: Tensor, output: Tensor) -> Tensor:
        """Return the mean of the values that each sample has, such as losses of the entries of a target.

        Args:
            values: Values of samples, or of the entries of their outputs.
            output: Outputs; entries that are padding in them do not count.

        Shape:
            values ``[B, ...]``, output as the task's head gives it, result ``[B]``.
        """
        return values.reshape(len(values), -1).mean(1)

    def entropy(self, output: Tensor) -> Tensor:
        """Return the entropy of the probabilities of each sample, with gradient.

        Shape:
            output as the task's head gives it, result ``[B]``.

        Raises:
            TypeError: The task has no probabilities.
        """
        raise TypeError(f"a {self.kind} has no probabilities. Use a classification or a multilabel task.")

    def sharpen(self, target: Tensor, temperature: float) -> Tensor:
        """Return a soft target with its probabilities raised to ``1 / temperature`` and normalised.

        Targets that are no probabilities are returned as they are.
        """
        return target

    def mix(self, a: Tensor, b: Tensor, share: Tensor) -> Tensor:
        """Return the soft targets ``share · a + (1 − share) · b``, of class indices too.

        Shape:
            a and b as the task's ``target`` says, or soft; share ``[B]``; result soft.
        """
        share = share.reshape(-1, *[1] * (a.dim() - 1)).to(a.dtype)
        return b + share * (a - b)
