"""The one loop that scores a model on data: training, recipes and benchmarks use it and no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch

from sennit.data import Batch
from sennit.modes import evaluating
from sennit.tasks.metrics.evaluation import Evaluation
from sennit.tasks.metrics.evaluator import Evaluator
from sennit.tasks.model.model import MultiTaskModel

if TYPE_CHECKING:
    from sennit.tasks.metrics.evaluator import OwnMetrics


@torch.no_grad()
def evaluate(
    model: MultiTaskModel,
    loader: Batch | Iterable[Batch],
    metrics: Mapping[str, OwnMetrics] | None = None,
    *,
    answers: bool = True,
) -> Evaluation:
    """Score a model on labelled data, in evaluation mode and without gradients.

    Any label may be missing, and any modality. The model stays on its device, to which batches are moved,
    and returns to the mode that it was in. Under several processes each scores what its own loader yields.

    Args:
        model: Trained model.
        loader: Batches with targets, such as a DataLoader with ``collate_fn=model.collate``; or one batch.
        metrics: Torchmetrics by task, in place of ``task.metrics()``: one, several by name, or a
            collection. They are copied.
        answers: Whether to keep the outputs and targets of every sample. Without them the memory needed
            does not grow with the data.

    Raises:
        TypeError: The loader yields something other than a `Batch`.
        ValueError: The loader is empty, or ``metrics`` names an unknown task.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, Regression
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders,
        ...     fusion=create_fusion("gated", encoders),
        ...     tasks={"kind": Classification(2), "size": Regression()},
        ... )
        >>> batch = Batch.of(
        ...     {"a": torch.randn(8, 3), "b": torch.randn(8, 5)},
        ...     targets={"kind": torch.arange(8) % 2, "size": torch.randn(8, 1)},
        ...     labelled={"size": torch.arange(8) < 6},
        ... )
        >>> evaluation = evaluate(model, batch)
        >>> {task: sorted(values) for task, values in evaluation.metrics.items()}
        {'kind': ['accuracy', 'f1_macro'], 'size': ['mae', 'r2']}
        >>> evaluation.excluded
        {'kind': {}, 'size': {'unlabelled': 2}}
    """
    evaluator = Evaluator(model, metrics, answers=answers)
    device = next(model.parameters()).device
    with evaluating(model):
        for batch in [loader] if isinstance(loader, Batch) else loader:
            if not isinstance(batch, Batch):
                raise TypeError(
                    f"`loader` should yield batches. Found a {type(batch).__name__}. Give the DataLoader "
                    f"`collate_fn=model.collate`."
                )
            evaluator.update(batch.to(device))
    return evaluator.compute()
