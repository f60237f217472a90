"""Means and scales of the training data: of the inputs, for the encoders, and of the number targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sennit.data import Batch, Collate, Sample
from sennit.recipes.table.data.load import open_subset
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.tasks import MultiTaskModel

MAX_ROWS, MAX_VALUES = 1000, 20_000_000
"""Amount of training data that is read for its statistics: rows, and numbers in them."""
_WITH_STATISTICS = ("audio", "series", "table")


def fit_inputs(model: MultiTaskModel, schema: Schema, rows: Rows | Shards, *, seed: int) -> int:
    """Fit the encoders' means and scales to a random sample of training rows; images need none.

    A fusion that is fitted reads all inputs of those rows, and their targets.

    Returns:
        Number of rows read: at most 1,000, or as many as hold 20 million numbers.
    """
    all_inputs = model.fused_encoder.fits
    names = [n for n, spec in schema.inputs.items() if all_inputs or spec.kind in _WITH_STATISTICS]
    if not names:
        return 0
    samples: list[Sample] = []
    values = 0
    for sample in _random_samples(schema.with_inputs(names), rows, model.preprocessing(), seed):
        samples.append(sample)
        values += sum(x.numel() for x in sample["inputs"].values())
        if len(samples) == MAX_ROWS or values > MAX_VALUES:
            break
    if samples:
        keys = ("inputs", "targets") if all_inputs else ("inputs",)
        model.fit_preprocessing(model.collate([{k: s[k] for k in keys} for s in samples]))
    return len(samples)


def _random_samples(
    schema: Schema, rows: Rows | Shards, preprocess: Callable[[Sample], Sample], seed: int
) -> Iterator[Sample]:
    """Yield training samples in random order, except those that lack all of the schema's inputs."""
    data: Any = open_subset(rows, schema, "train", preprocess=preprocess, seed=seed)
    if isinstance(rows, Shards):
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
    """Standardisation of number targets, so that no unit of measurement sets the size of a step.

    Args:
        scales: Mean and standard deviation of each number, by target, in double precision.
    """

    scales: dict[str, tuple[Tensor, Tensor]]

    @classmethod
    def fit(cls, schema: Schema, rows: Rows | Shards) -> TargetScales:
        """Fit to training rows: all of a table's, or the first 1,000 samples of shards."""
        numbers = {name: t for name, t in schema.targets.items() if t.scaled}
        labels: dict[str, list[Any]] = {name: [] for name in numbers}
        if isinstance(rows, Rows):
            for name, target in numbers.items():
                column = target.read(rows)
                labels[name] = [column[i] for i in rows.subsets["train"]]
        elif numbers:
            data: Any = open_subset(rows, schema, "train")
            for sample, _ in zip(data, range(MAX_ROWS), strict=False):
                for name in numbers:
                    labels[name].append(sample["targets"].get(name))
        return cls({name: _mean_and_std(values) for name, values in labels.items()})

    def sample(self, targets: Mapping[str, Any]) -> dict[str, Any]:
        """Return the targets of a sample, standardised."""
        given = {n: torch.tensor(targets[n], dtype=torch.float64) for n in self.scales if n in targets}
        return {**targets, **{name: self.scaled(name, x) for name, x in given.items()}}

    def scaled(self, name: str, x: Tensor) -> Tensor:
        """Return values of a number target, standardised.

        Values in double precision keep digits that single precision would lose beside a large mean.

        Shape:
            ``[..., numbers]`` to the same, in single precision.
        """
        mean, std = self.scales[name]
        return ((x.double() - mean) / std).float()

    @torch.no_grad()
    def into_units(self, model: MultiTaskModel) -> None:
        """Put the scales into the trained heads, whose outputs are then in the units of the targets."""
        for name, (mean, std) in self.scales.items():
            heads = [*model.heads[name], *model.auxiliary_heads[name].values()]
            for head in heads:
                assert isinstance(head, nn.Linear)
                head.weight.mul_(std[:, None].to(head.weight))
                head.bias.mul_(std.to(head.bias)).add_(mean.to(head.bias))


@dataclass(frozen=True)
class ScaledCollate:
    """Collation of samples with their number targets standardised.

    Args:
        collate: ``model.collate``.
        scales: Scales of the targets.
    """

    collate: Collate
    scales: TargetScales

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        return self.collate([{**s, "targets": self.scales.sample(s["targets"])} for s in samples])


def _mean_and_std(values: list[Any]) -> tuple[Tensor, Tensor]:
    x = np.array([v for v in values if v is not None], dtype=np.float64)
    mean, std = np.nanmean(x, 0), np.nanstd(x, 0)
    std = np.where(std > 0, std, 1.0)
    return torch.from_numpy(mean), torch.from_numpy(std)
