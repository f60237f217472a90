"""Fixed weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from sennit.registry import unknown_name
from sennit.tasks._base import Task
from sennit.tasks.weighting._base import Weighting, register_weighting


@register_weighting("fixed")
class Fixed(Weighting):
    """The sum of the tasks' losses under given weights.

    Args:
        weights: Weight of each task, 0 or more; 1 for tasks that are not named.

    Shape:
        losses ``[K]``, active ``K`` bools, result a scalar.

    Raises:
        ValueError: A weight is below 0 or not finite, or, at `bind`, names an unknown task.

    Example:
        >>> import torch; from sennit.tasks import Classification, Regression
        >>> weighting = Fixed(weights={"speed": 0.1})
        >>> weighting.bind({"class": Classification(3), "speed": Regression()})
        >>> weighting(torch.tensor([1.0, 2.0]), (True, True))
        tensor(1.2000)
    """

    def __init__(self, *, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.given = dict(weights or {})
        for task, weight in self.given.items():
            if not 0 <= weight < math.inf:
                raise ValueError(
                    f"the weight of a task should be finite and 0 or more. Found {weight} of '{task}'."
                )

    def bind(self, tasks: Mapping[str, Task]) -> None:
        for task in self.given:
            if task not in tasks:
                raise unknown_name("task in `weights`", task, tasks)
        self.weights = tuple(float(self.given.get(task, 1.0)) for task in tasks)

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        return (losses * losses.new_tensor(self.weights)).sum()
