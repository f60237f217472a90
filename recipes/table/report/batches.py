"""Batches in memory with the answers of a model for them, for analyses that ask it many times."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.fusion import FusedEncoder
from sennit.tasks import Evaluation, MultiTaskModel, evaluate

Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class Analysed:
    """A model, batches and its evaluation of them.

    Attributes:
        model: Model, one net or several as one.
        batches: Batches.
        evaluation: Evaluation of the batches.
    """

    model: MultiTaskModel
    batches: list[Batch]
    evaluation: Evaluation

    @classmethod
    def of(cls, model: MultiTaskModel, loader: Batch | Iterable[Batch]) -> Analysed:
        """Read all batches and evaluate the model on them.

        Raises:
            ValueError: There is no batch.
        """
        batches = [loader] if isinstance(loader, Batch) else list(loader)
        return cls(model, batches, evaluate(model, batches))

    def logits(self, view: View) -> Outputs:
        """Return the output of each task that is evaluated, for one view."""
        outputs = self.model(view)
        return {name: outputs[name].logits for name in self.evaluation.answers}

    def columns(self) -> list[FusedEncoder]:
        """Return the encoders and fusions of all its nets."""
        nets = [module for module in self.model.modules() if isinstance(module, MultiTaskModel)]
        return [column for net in nets for column in net.fused_encoders]

    @contextmanager
    def with_columns(self, context: Any, *args: Any) -> Iterator[None]:
        """Hold a context manager, such as `sennit.fusion.analysis.encoded_once`, of each column."""
        with ExitStack() as stack, warnings.catch_warnings():
            # Inputs are hidden here on purpose.
            warnings.filterwarnings("ignore", "no training sample had just")
            for column in self.columns():
                stack.enter_context(context(column, *args))
            yield


def joined(parts: list[Outputs], dim: int = 0) -> Outputs:
    """Return the outputs of several batches as one."""
    names = parts[0] if parts else ()
    return {name: torch.cat([part[name] for part in parts], dim) for name in names}
