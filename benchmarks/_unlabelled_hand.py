"""Pieces of the hand-written side of `benchmarks.unlabelled_cost`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.overhead import SIZES
from sennit.fusion import LateConcat
from sennit.tasks import MultiTaskModel

Inputs = Mapping[str, Tensor]


def make_inputs(size: int) -> dict[str, Tensor]:
    """Return random inputs of both modalities."""
    return {m: torch.randn(size, d) for m, d in SIZES.items()}


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Return the mean of KL(teacher ‖ student)."""
    log_p, log_q = teacher.detach().log_softmax(-1), student.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def scaled(direction: Any) -> list[Tensor]:
    """Scale each row, over both modalities, to length 1."""
    length = torch.cat(list(direction), 1).norm(dim=1, keepdim=True)
    return [x / length for x in direction]


class Hand:
    """The forward passes of a model, written by hand on its own modules."""

    def __init__(self, model: MultiTaskModel) -> None:
        self.encoders: dict[str, Any] = dict(model.fused_encoder.encoders.items())
        fusion = model.fused_encoder.fusion
        assert isinstance(fusion, LateConcat)
        self.project, self.head = fusion.project, model.heads["y"][0]

    def encode(self, inputs: Inputs) -> list[Tensor]:
        return [self.encoders[m](x).pooled for m, x in inputs.items()]

    def logits(self, inputs: Inputs) -> Tensor:
        logits: Tensor = self.head(self.project(torch.cat(self.encode(inputs), 1)))
        return logits
