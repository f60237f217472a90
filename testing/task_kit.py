"""Contract of a task and of every configurable part, as plain functions that raise AssertionError."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from sennit.configurable import Configurable
from sennit.fusion import MeanProbabilityRule, MultiplicativeRule
from sennit.registry import Registry
from sennit.tasks import Task
from sennit.tasks.model.decision_rule import decide

C = TypeVar("C", bound=Configurable)


def check_task(task: Task, target: Tensor) -> None:
    """Hold a labelled task to the whole contract.

    Args:
        task: Task.
        target: Targets of a dozen samples, as a batch holds them, all labelled.

    Example:
        >>> from sennit.tasks import Classification
        >>> check_task(Classification(3), torch.arange(12) % 3)
    """
    check_loss_is_per_sample(task, target)
    check_gradient_to_every_parameter_of_the_head(task, target)
    check_one_candidate_decides_alone(task, target)
    check_metrics_and_predictions(task, target)


def check_config_round_trip(part: C, registry: Registry[Any]) -> C:
    """Check that ``config`` survives JSON and makes the same part again; return that part."""
    again = registry.build(json.loads(json.dumps(part.config)))
    assert type(again) is type(part)
    assert again.config == json.loads(json.dumps(part.config))
    return again


def random_output(task: Task, target: Tensor) -> Tensor:
    """Return an output of the task's head for targets ``[B, ...]``: ``[B, out_dim]``, of tokens, or a map."""
    if task.by_token:
        return torch.randn(*target.shape, task.out_dim)
    return torch.randn(len(target), task.out_dim, *(target.shape[-2:] if task.dense else ()))


def check_loss_is_per_sample(task: Task, target: Tensor) -> None:
    """Check for one loss a sample (or an entry of its target), each from its own output and target alone."""
    output = random_output(task, target)
    losses = task.loss(output, target)
    assert losses.shape in (target.shape[:1], target.shape)
    assert losses.dtype == torch.float32
    assert bool(losses.isfinite().all())
    assert bool((losses >= 0).all())
    if task.batchwise:
        order = torch.randperm(len(target))
        torch.testing.assert_close(task.loss(output[order], target[order]), losses[order])
    for i in range(0 if task.batchwise else len(target)):
        torch.testing.assert_close(task.loss(output[i : i + 1], target[i : i + 1])[0], losses[i])
    half = task.loss(output.bfloat16(), target)
    assert half.dtype == torch.float32, "losses are computed in fp32"


def check_gradient_to_every_parameter_of_the_head(task: Task, target: Tensor) -> None:
    """Check that the loss moves every parameter of the head."""
    head = task.build_head(5)
    features = torch.randn(len(target), 5, *(target.shape[-2:] if task.dense else ()))
    if task.by_token:
        features = torch.randn(*target.shape, 5)
    torch.autograd.backward(task.loss(head(features), target).sum())
    assert all(p.grad is not None and bool(p.grad.any()) for p in head.parameters())


def check_one_candidate_decides_alone(task: Task, target: Tensor) -> None:
    """Check that with one candidate the loss under a decision rule is the task's own."""
    output = random_output(task, target)
    log_p = task.log_probabilities(torch.randn(len(target), 1, task.out_dim))
    if log_p is None or task.by_token:  # no rule decides about tokens
        return
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(log_p.shape[:-1]))
    present = torch.ones(len(target), 1, dtype=torch.bool)
    for rule in (MeanProbabilityRule(), MultiplicativeRule(beta=0.5)):
        _, cost = decide(task, rule, output.unsqueeze(1), present)
        assert cost is not None
        torch.testing.assert_close(task.expected_cost(cost, target), task.loss(output, target))


def check_metrics_and_predictions(task: Task, target: Tensor) -> None:
    """Check that metrics read labelled samples alone, and that each prediction is plain JSON or arrays."""
    logits, labelled = random_output(task, target), torch.ones(len(target), dtype=torch.bool)
    metrics = task.metrics()
    task.update_metrics(metrics, logits, target, labelled)
    assert all(bool(v.isfinite().all()) for v in metrics.compute().values())
    answers = task.predict(logits)
    assert len(answers) == len(target)
    assert json.dumps(answers, default=np.ndarray.tolist)
    half_labelled = task.metrics()
    rows = torch.arange(len(target)) < len(target) // 2
    spoiled = torch.where(rows.reshape(-1, *[1] * (target.dim() - 1)), target, torch.zeros_like(target) - 7)
    task.update_metrics(half_labelled, logits, spoiled, rows)
    alone = task.metrics()
    task.update_metrics(alone, logits[rows], target[rows], rows[rows])
    for name, value in alone.compute().items():
        torch.testing.assert_close(half_labelled.compute()[name], value)
