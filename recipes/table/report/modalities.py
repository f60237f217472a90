"""Which modality matters: the answers with each subset of the modalities, of samples encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.fusion.analysis import encoded_once, over_subsets, shapley_values, shares, subsets_of
from sennit.modes import evaluating
from sennit.recipes.table.report.batches import Analysed, joined
from sennit.tasks import MultiTaskModel
from sennit.tasks.metrics import Answers

MOST = 6
"""Largest number of modalities for which all subsets are asked."""


@dataclass(frozen=True)
class Importance:
    """Importance of each modality for one target.

    Attributes:
        shares: Mean part of each modality in how far an answer moves, as
            `sennit.tasks.analysis.modality_weights` returns it by Shapley's value; empty above 6 modalities.
        every: Outputs with all modalities.
        without: Outputs with each modality hidden.
        alone: Outputs with only that modality present.
    """

    shares: Mapping[str, float]
    every: Answers
    without: Mapping[str, Answers]
    alone: Mapping[str, Answers]


@torch.no_grad()
def modality_importance(model: MultiTaskModel, loader: Batch | Iterable[Batch]) -> dict[str, Importance]:
    """Return, by target, how much each modality matters for the answers.

    All subsets of the modalities are asked (above 6, all but one and one alone), and each sample is encoded
    once. A row counts in ``without`` and ``alone`` where a modality is left to read.

    Args:
        model: Trained model of two modalities or more.
        loader: Batches with targets, which are all kept in memory.

    Raises:
        ValueError: The model reads a single modality.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)})
        >>> batch = Batch.of(
        ...     {"a": torch.randn(8, 3), "b": torch.randn(8, 5)}, targets={"y": torch.arange(8) % 2}
        ... )
        >>> importance = modality_importance(model, batch)["y"]
        >>> round(sum(importance.shares.values()), 3), list(importance.without)
        (1.0, ['a', 'b'])
    """
    names = list(model.fused_encoder.modalities)
    if len(names) < 2:
        raise ValueError(f"the model should read two modalities or more. Found {names}.")
    analysed = Analysed.of(model, loader)
    members = _members(len(names))
    parts = []
    with evaluating(model):
        for batch in analysed.batches:
            with analysed.with_columns(encoded_once, batch):
                parts.append(_outputs(analysed, batch, names, members))
    outputs = joined(parts, dim=1)
    present = torch.cat([torch.stack([b.present[m] for m in names], 1) for b in analysed.batches])
    return {
        name: _importance(analysed, name, values, names, members, present) for name, values in outputs.items()
    }


def _members(count: int) -> Tensor:
    """Return the subsets: all of them, or all modalities, all but each and each alone."""
    if count <= MOST:
        return subsets_of(count)
    one = torch.eye(count, dtype=torch.bool)
    return torch.cat([torch.ones(1, count, dtype=torch.bool), ~one, one])


def _outputs(analysed: Analysed, batch: Batch, names: list[str], members: Tensor) -> dict[str, Tensor]:
    """Return the outputs of each task ``[S, B, ...]`` with each subset of the modalities."""
    shapes: dict[str, torch.Size] = {}

    def read(view: View) -> Tensor:
        logits = analysed.logits(view)
        shapes.update({name: x.shape[1:] for name, x in logits.items()})
        return torch.cat([x.flatten(1) for x in logits.values()], 1)

    values = over_subsets(read, batch, names, members).float()
    sizes = [shape.numel() for shape in shapes.values()]
    split = torch.split(values, sizes, -1)
    return {
        name: x.reshape(*x.shape[:2], *shape) for (name, shape), x in zip(shapes.items(), split, strict=True)
    }


def _importance(
    analysed: Analysed, name: str, values: Tensor, names: list[str], members: Tensor, present: Tensor
) -> Importance:
    answers, task = analysed.evaluation.answers[name], analysed.model.tasks[name]

    def of(subset: Tensor) -> Answers:
        place = int((members == subset).all(1).nonzero()[0])
        reads = analysed.model.reads[name]
        read = torch.tensor([reads is None or m in reads for m in names])
        readable = answers.readable & (present & subset & read).any(1)
        return replace(answers, logits=values[place], scores=task.scores(values[place]), readable=readable)

    one = torch.eye(len(names), dtype=torch.bool)
    part: dict[str, float] = {}
    if len(names) <= MOST:
        moved = torch.stack([task.scores(x).flatten(1) for x in values]).double()
        weights = shares(shapley_values(moved), present, moved)
        moving = weights.sum(1) > 0
        if bool(moving.any()):
            part = dict(zip(names, weights[moving].mean(0).tolist(), strict=True))
    return Importance(
        part,
        answers,
        {m: of(~one[i]) for i, m in enumerate(names)},
        {m: of(one[i]) for i, m in enumerate(names)},
    )
