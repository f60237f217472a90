"""The result of scoring a model on data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Answers:
    """Outputs and targets of one task, with a row for every sample, labelled or not; on the CPU.

    Attributes:
        logits: Outputs of the task's head, which ``task.predict`` turns into plain answers.
        scores: Probabilities where the task has any, values otherwise.
        targets: Targets; zero where there is no label.
        labelled: Which entries of the targets are labels.
        readable: Which samples have a modality that the task reads.

    Shape:
        logits and scores ``[N, ...]``, targets ``[N, ...]``, labelled as the targets, readable ``[N]``.
    """

    logits: Tensor
    scores: Tensor
    targets: Tensor
    labelled: Tensor
    readable: Tensor

    @property
    def counted(self) -> Tensor:
        """Entries of the targets that are labels of readable samples; shape of the targets."""
        return labels_of_readable(self.labelled, self.readable)


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a model on data, and what they were computed from.

    Attributes:
        metrics: Metrics by task and name; a task without a single sample to score has no entry.
        losses: Mean loss of each task over its labels of readable samples, without weighting; a task without
            one has no entry.
        answers: Outputs and targets of every sample, by task; empty where they were not kept.
        index: Id of each sample ``[N]``, in the order of the answers: the units of intervals and of paired
            differences. Positions in the data where a batch has no ids.
        excluded: Number of samples that were not scored, by task and reason: ``"unlabelled"``,
            ``"unreadable"`` (labelled, but without a modality that the task reads) and ``"partly labelled"``
            (for a task whose metrics need the whole target).
    """

    metrics: Mapping[str, Mapping[str, float]]
    losses: Mapping[str, float]
    answers: Mapping[str, Answers]
    index: Tensor
    excluded: Mapping[str, Mapping[str, int]]


def labels_of_readable(labelled: Tensor, readable: Tensor) -> Tensor:
    """Return which labels belong to readable samples.

    Shape:
        labelled and result ``[N, ...]``, readable ``[N]``.
    """
    return labelled & readable.reshape(-1, *[1] * (labelled.dim() - 1))
