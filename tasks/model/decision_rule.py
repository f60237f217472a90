"""The step from the candidates of a decision fusion to one decision of each task."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.fusion import Fusion
from sennit.fusion.types import LearnedRule, Rule
from sennit.tasks._base import Task


def learned_rules(fusion: Fusion, tasks: Mapping[str, Task]) -> dict[str, LearnedRule]:
    """Make the decision rules that have parameters, for the tasks that have alternatives."""
    rules = {}
    for name, task in tasks.items():
        log_p = task.log_probabilities(torch.zeros(1, task.out_dim))
        rule = None if log_p is None else fusion.build_rule(log_p.shape[1:])
        if rule is not None:
            rules[name] = rule
    return rules


class Decision(nn.Module):
    """The logits of a task's decision as a module, whose rule may have parameters.

    Args:
        task: Task.
        rule: Rule of the fusion, or the task's learned one.
    """

    def __init__(self, task: Task, rule: Rule | None) -> None:
        super().__init__()
        self.task, self.rule = task, rule

    def forward(self, candidates: Tensor, present: Tensor) -> Tensor:
        return decide(self.task, self.rule, candidates, present)[0]


def decide(
    task: Task, rule: Rule | None, candidates: Tensor, present: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the logits of the decision, and the cost of each alternative.

    A task without alternatives takes the mean of the present candidates' outputs, and has no cost.

    A dense task decides at each place.

    Shape:
        candidates ``[B, K, out_dim]``, or ``[B, K, out_dim, H, W]`` of a dense task; present ``[B, K]``.
        Logits as the candidates without K, cost with the alternatives last: ``[B, H, W, out_dim]``.
    """
    if not task.dense:
        return _decide(task, rule, candidates, present)
    height, width = candidates.shape[-2:]
    rows = candidates.permute(0, 3, 4, 1, 2).flatten(0, 2)
    present = present[:, None].expand(-1, height * width, -1).flatten(0, 1)
    logits, cost = _decide(task, rule, rows, present)
    logits = logits.reshape(-1, height, width, *logits.shape[1:]).movedim(-1, 1)
    return logits, None if cost is None else cost.reshape(-1, height, width, *cost.shape[1:])


def _decide(
    task: Task, rule: Rule | None, candidates: Tensor, present: Tensor
) -> tuple[Tensor, Tensor | None]:
    log_p = task.log_probabilities(candidates)
    if log_p is None or rule is None:
        share = present.to(candidates.dtype) / present.sum(1, keepdim=True)
        return torch.einsum("bk...,bk->b...", candidates, share), None
    cost = rule.cost(log_p, present)
    return rule.decide(log_p, present, cost), cost
