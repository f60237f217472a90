"""Means and scales of the training data: of the inputs, for the encoders, and of the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sennit.data import Batch, Collate, Sample
from sennit.recipes.table.errors import BadCell
from sennit.recipes.table.parts import Parts
from sennit.recipes.table.schema import Schema
from sennit.tasks import MultiTaskModel
from torch import Tensor, nn

MAX_ROWS, MAX_VALUES = 1000, 20_000_000
"""How much of the training data is read for its statistics: rows, and numbers in them."""
_WITH_STATISTICS = ("audio", "series", "table")


def fit_inputs(model: MultiTaskModel, parts: Parts, *, seed: int) -> int:
    """Give the encoders means and scales from a random sample of training rows; images need none.

    A fusion that is fitted reads all inputs of those rows, and their targets.

    Returns:
        How many rows were read: at most 1,000, or as many as hold 20 million numbers.
    """
    schema, whole = parts.schema, model.fused_encoder.fits
    wanted = {n: part for n, part in schema.inputs.items() if whole or part.kind in _WITH_STATISTICS}
    if not wanted:
        return 0
    few = Schema(wanted, schema.targets, schema.split)
    samples: list[Sample] = []
    values = 0
    for sample in _some(parts, few, model.preprocessing(), seed):
        samples.append(sample)
        values += sum(x.numel() for x in sample["inputs"].values())
        if len(samples) == MAX_ROWS or values > MAX_VALUES:
            break
    if samples:
        fields = ("inputs", "targets") if whole else ("inputs",)
        model.fit_preprocessing(model.collate([{k: s[k] for k in fields} for s in samples]))
    return len(samples)


def _some(
    parts: Parts, schema: Schema, preprocess: Callable[[Sample], Sample], seed: int
) -> Iterator[Sample]:
    """Training samples in random order, less those that lack all of the schema's inputs."""
    data: Any = parts.open("train", preprocess=preprocess, schema=schema, seed=seed)
    if parts.source is None:
        yield from data
        return
    for i in np.random.default_rng(seed).permutation(len(data)):
        try:
            yield data[int(i)]
        except BadCell as error:
            if error.column:
                raise


@dataclass(frozen=True)
class TargetScales:
    """Standardises number targets, so that no unit of measurement sets the size of a step.

    Args:
        scales: By target, the mean and the standard deviation of each number.
    """

    scales: dict[str, tuple[Tensor, Tensor]]

    @classmethod
    def fit(cls, parts: Parts) -> TargetScales:
        """From training rows: all of a table's, or 1,000 of shards."""
        numbers = {name: t for name, t in parts.schema.targets.items() if t.kind == "number"}
        found: dict[str, list[Any]] = {name: [] for name in numbers}
        if parts.source is not None:
            for row in parts.source.rows(parts.rows["train"]):
                for name, target in numbers.items():
                    found[name].append(target.value(row))
        elif numbers:
            data: Any = parts.open("train")
            for sample, _ in zip(data, range(MAX_ROWS), strict=False):
                for name in numbers:
                    found[name].append(sample["targets"].get(name))
        return cls({name: _mean_and_std(values) for name, values in found.items()})

    def sample(self, targets: Mapping[str, Any]) -> dict[str, Any]:
        """The targets of a sample, standardised."""
        own = {name: self.scales[name] for name in targets if name in self.scales}
        scaled = {name: (torch.tensor(targets[name]) - mean) / std for name, (mean, std) in own.items()}
        return {**targets, **scaled}

    @torch.no_grad()
    def into_units(self, model: MultiTaskModel) -> None:
        """Put the scales into the trained heads, whose outputs are then in the targets' own units."""
        for name, (mean, std) in self.scales.items():
            heads = [*model.heads[name], *model.auxiliary_heads[name].values()]
            for head in heads:
                assert isinstance(head, nn.Linear)
                head.weight.mul_(std[:, None].to(head.weight))
                head.bias.mul_(std.to(head.bias)).add_(mean.to(head.bias))


@dataclass(frozen=True)
class ScaledCollate:
    """Collates samples with their number targets standardised.

    Args:
        collate: ``model.collate``.
        scales: Of the targets.
    """

    collate: Collate
    scales: TargetScales

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        return self.collate([{**s, "targets": self.scales.sample(s["targets"])} for s in samples])


def _mean_and_std(values: list[Any]) -> tuple[Tensor, Tensor]:
    x = np.array([v for v in values if v is not None], dtype=np.float64)
    mean, std = np.nanmean(x, 0), np.nanstd(x, 0)
    std = np.where(std > 0, std, 1.0)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)
