"""Which column matters: the score with the cells of each column permuted among the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.fusion.analysis import encoded_but, encoded_once
from sennit.modes import evaluating
from sennit.recipes.table.report.batches import Analysed, Outputs, joined
from sennit.recipes.table.report.scoring import metrics_of, sign_of
from sennit.tasks import MultiTaskModel


@dataclass(frozen=True)
class Drop:
    """Loss of score without the order of a column.

    Attributes:
        mean: Score less that with the column permuted, over repetitions; for an error, how far it rises.
        std: Standard deviation over the repetitions.
    """

    mean: float
    std: float


@torch.no_grad()
def column_importance(
    model: MultiTaskModel,
    loader: Batch | Iterable[Batch],
    metrics: Mapping[str, str],
    *,
    repeats: int = 5,
    seed: int = 0,
) -> dict[str, dict[str, Drop]]:
    """Return, by target and column, how much the score drops when the column is permuted.

    The cells change places within a batch, so give large batches of rows in random order. A modality that is
    no table counts as one column; a name that two modalities have is followed by the modality. Whatever does
    not change is encoded once.

    Source: Breiman 2001, "Random Forests", §10; Fisher, Rudin & Dominici 2019, "All Models are Wrong, but
    Many are Useful", §3.

    Args:
        model: Trained model.
        loader: Batches with targets, which are all kept in memory.
        metrics: Metric that is the score, by target.
        repeats: Number of permutations of each column.
        seed: Random seed of the permutations.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> encoders = {"a": create_encoder("mlp", 2, columns=["age", "size"]), "b": create_encoder("mlp", 5)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)})
        >>> batch = Batch.of(
        ...     {"a": torch.randn(8, 2), "b": torch.randn(8, 5)}, targets={"y": torch.arange(8) % 2}
        ... )
        >>> list(column_importance(model, batch, {"y": "accuracy"})["y"])
        ['age', 'size', 'b']
    """
    analysed = Analysed.of(model, loader)
    generator = torch.Generator().manual_seed(seed)
    outputs: dict[tuple[str, str], list[list[Outputs]]] = {}  # by modality and column, repetition and batch
    with evaluating(model):
        for batch in analysed.batches:
            for modality, names in _columns(model).items():
                for column, answers in _permuted(analysed, batch, modality, names, repeats, generator):
                    of_column = outputs.setdefault((modality, column), [[] for _ in range(repeats)])
                    for repetition, answer in zip(of_column, answers, strict=True):
                        repetition.append(answer)
    times = Counter(column for _, column in outputs)
    permuted = {
        column if times[column] == 1 else f"{column} ({modality})": [joined(parts) for parts in of_column]
        for (modality, column), of_column in outputs.items()
    }
    return {
        name: {column: _drop(analysed, name, metric, answers) for column, answers in permuted.items()}
        for name, metric in metrics.items()
        if name in analysed.evaluation.metrics
    }


def _columns(model: MultiTaskModel) -> dict[str, list[str]]:
    """Return the names of the columns of each modality that is a table; none for another."""
    leaves = model.fused_encoder.leaves()
    return {m: list(getattr(getattr(leaf, "rows", None), "columns", ())) for m, leaf in leaves.items()}


def _permuted(
    analysed: Analysed,
    batch: Batch,
    modality: str,
    names: list[str],
    repeats: int,
    generator: torch.Generator,
) -> Iterator[tuple[str, list[Outputs]]]:
    """Yield each column of a modality with the outputs of its permutations."""
    size, present = batch.batch_size, batch.present[modality].nonzero().squeeze(1)
    if not names:
        answers = []
        with analysed.with_columns(encoded_once, batch):
            for _ in range(repeats):
                order = torch.randperm(size, generator=generator)
                view = batch.replaced(
                    inputs=_changed(batch.inputs, modality, order),
                    masks=_changed(batch.masks, modality, order),
                    present=_changed(batch.present, modality, order),
                )
                with analysed.with_columns(encoded_but, batch, modality, order):
                    answers.append(analysed.logits(view))
        yield modality, answers
        return
    with analysed.with_columns(encoded_but, batch, modality):
        for place, column in enumerate(names):
            answers = []
            for _ in range(repeats):
                x = batch.inputs[modality].clone()
                order = present[torch.randperm(len(present), generator=generator)]
                x[present, place] = batch.inputs[modality][order, place]
                answers.append(analysed.logits(batch.replaced(inputs={**batch.inputs, modality: x})))
            yield column, answers


def _changed(tensors: Mapping[str, Tensor], modality: str, order: Tensor) -> dict[str, Tensor]:
    return {name: x[order] if name == modality else x for name, x in tensors.items()}


def _drop(analysed: Analysed, name: str, metric: str, permuted: list[Outputs]) -> Drop:
    task, answers = analysed.model.tasks[name], analysed.evaluation.answers[name]
    before = analysed.evaluation.metrics[name][metric]
    after = [metrics_of(task, outputs[name], answers)[metric] for outputs in permuted]
    drops = sign_of(task, metric) * (before - torch.tensor(after, dtype=torch.float64))
    return Drop(float(drops.mean()), float(drops.std(correction=0)))
