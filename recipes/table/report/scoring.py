"""Metrics of answers, as the task itself defines them."""

from __future__ import annotations

from torch import Tensor

from sennit.tasks import Task
from sennit.tasks.metrics import Answers, directions


def metrics_of(task: Task, logits: Tensor, answers: Answers) -> dict[str, float]:
    """Return the metrics of some outputs for the rows of an evaluation; none without a row to score.

    Args:
        task: Task.
        logits: Outputs of the task's form, such as ``task.output_for`` makes of probabilities.
        answers: Answers of the evaluation, whose targets count.

    Shape:
        logits as ``answers.logits``.

    Example:
        >>> import torch
        >>> from sennit.tasks import Classification
        >>> logits, every = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.ones(2, dtype=torch.bool)
        >>> answers = Answers(logits, logits, torch.tensor([0, 1]), every, every)
        >>> metrics_of(Classification(2), logits, answers)["accuracy"]
        0.5
    """
    if not bool(task.scorable(answers.counted).any()):
        return {}
    metrics = task.metrics()
    task.update_metrics(metrics, logits, answers.targets, answers.counted)
    return {name: float(value) for name, value in metrics.compute().items()}


def sign_of(task: Task, metric: str) -> int:
    """Return 1 for a metric that is best at its largest, and -1 for an error.

    Example:
        >>> from sennit.tasks import Regression
        >>> sign_of(Regression(), "r2"), sign_of(Regression(), "mae")
        (1, -1)
    """
    return -1 if directions(task.metrics())[metric] == "min" else 1
