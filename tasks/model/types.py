"""What a model says about a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class TaskOutput:
    """The output of a task's heads.

    Attributes:
        logits: What the task's loss and prediction read: logits of classes or labels, values of a
            regression. Under a decision fusion, those of the decision: most often minus the cost of
            each alternative.
        candidates: Under a decision fusion, the output of each candidate's head.
        candidate_present: Which candidates are there.
        cost: Under a decision fusion, the cost of each alternative; None for a task without
            alternatives.
        auxiliary: The outputs of the extra heads that the fusion asked for.

    Shape:
        logits ``[B, C]`` (multi-label under a decision fusion ``[B, L, 2]``), candidates
        ``[B, K, C]``, candidate_present ``[B, K]``, auxiliary ``[B, C]`` each.
    """

    logits: Tensor
    candidates: Tensor | None = None
    candidate_present: Tensor | None = None
    cost: Tensor | None = None
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
