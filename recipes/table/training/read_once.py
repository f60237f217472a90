"""Rows of a subset, read once for the members that are fitted at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sennit.data import Batch

Describe = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class ReadRows:
    """Vectors and labels of rows.

    Attributes:
        vectors: Vectors of the rows that have the input, in order, for each input that any row has.
        present: Rows that have it, ``[N]`` bool.
        labels: Labels of all rows, by target.
        labelled: Rows that have all labels of the target, ``[N]`` bool.
    """

    vectors: dict[str, Tensor]
    present: dict[str, Tensor]
    labels: dict[str, Tensor]
    labelled: dict[str, Tensor]

    def of_target(self, name: str) -> ReadRows:
        """Return the rows that have the target's labels and an input at least, with their inputs."""
        nothing = torch.zeros_like(self.labelled[name])
        rows = self.labelled[name] & torch.stack([nothing, *self.present.values()]).any(0)
        vectors = {
            n: x.index_select(0, rows[self.present[n]].nonzero().flatten()) for n, x in self.vectors.items()
        }
        vectors = {n: x for n, x in vectors.items() if x.shape[0]}
        present = {n: self.present[n][rows] for n in vectors}
        return ReadRows(vectors, present, {name: self.labels[name][rows]}, {name: self.labelled[name][rows]})


@torch.no_grad()
def read_once(batches: Iterable[Batch], describe: Mapping[str, Describe], targets: Iterable[str]) -> ReadRows:
    """Read batches.

    Args:
        batches: Rows without augmentation.
        describe: Function from tensors and masks of an input to its vectors, for each input.
        targets: Targets whose labels are kept.
    """
    vectors: dict[str, list[Tensor]] = {name: [] for name in describe}
    present: dict[str, list[Tensor]] = {name: [] for name in describe}
    labels: dict[str, list[Tensor]] = {name: [] for name in targets}
    labelled: dict[str, list[Tensor]] = {name: [] for name in labels}
    for batch in batches:
        for name, function in describe.items():
            rows = batch.present[name]
            present[name].append(rows)
            if bool(rows.any()):
                mask = batch.masks[name][rows] if name in batch.masks else None
                vectors[name].append(function(batch.inputs[name][rows], mask))
        for name in labels:
            labels[name].append(batch.targets[name])
            labelled[name].append(batch.labelled[name].reshape(batch.batch_size, -1).all(1))
    read = {name: torch.cat(x) for name, x in vectors.items() if x}
    return ReadRows(
        read,
        {name: torch.cat(present[name]) for name in read},
        {name: torch.cat(x) for name, x in labels.items()},
        {name: torch.cat(x) for name, x in labelled.items()},
    )
