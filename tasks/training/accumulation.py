"""Batches that make one optimizer step together, each with its share of the step's labels."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning.utilities import CombinedLoader
from torch import distributed as dist

from sennit.data import Batch
from sennit.tasks.model.active import counted_rows, learns_from
from sennit.tasks.model.network import Network
from sennit.tasks.model.prepare import Batches, as_batches


class AccumulatedLoader(CombinedLoader):
    """Reads the batches of a whole optimizer step ahead, and tells each how much of the step's labels it has.

    The mean of the batches' means is not the mean over their labels where these are missing: a batch with one
    label would weigh as much as a full one. With ``n_b`` labels of a task in batch b, its gradient is
    multiplied by ``k n_b / Σ n``; the average that Lightning takes over k batches is then that of the joined
    batch. A task without labels counts samples.

    Args:
        loaders: Loader, or loaders by name.
        batches_a_step: Batches that make a step.
        network: Model whose tasks learn from the batches.
    """

    def __init__(self, loaders: Any, batches_a_step: int, network: Network) -> None:
        super().__init__(loaders, "max_size_cycle")
        self.batches_a_step, self.network = batches_a_step, network
        self._window: deque[Any] = deque()

    def __iter__(self) -> AccumulatedLoader:
        self._window.clear()
        super().__iter__()
        return self

    def __next__(self) -> Any:
        if not self._window:
            taken = [super().__next__()]
            for _ in range(self.batches_a_step - 1):
                try:
                    taken.append(super().__next__())
                except StopIteration:  # a last step of fewer batches
                    break
            shared = with_shares(self.network, [batch for batch, *_ in taken], self.batches_a_step)
            self._window.extend((batch, *rest) for batch, (_, *rest) in zip(shared, taken, strict=True))
        return self._window.popleft()


def with_shares(network: Network, steps: Sequence[Any], batches_a_step: int) -> list[Any]:
    """Return the batches of a step with the factor of each task's gradient in each of them.

    Args:
        network: Model.
        steps: What each turn reads: a batch, or batches by loader.
        batches_a_step: Number of turns over which the gradient is averaged.
    """
    counts = [[_labels(network, name, batches) for name in network.views] for batches in steps]
    joined = torch.tensor(counts, dtype=torch.float64)
    if dist.is_initialized():
        joined = joined.to(next(network.parameters()).device)
        dist.all_reduce(joined)
    shares = (joined * batches_a_step / joined.sum(0).clamp(min=1)).tolist()
    return [_marked(b, dict(zip(network.views, s, strict=True))) for b, s in zip(steps, shares, strict=True)]


def _labels(network: Network, name: str, batches: Batches) -> float:
    """Return the number of labels, or of samples, from which a task learns."""
    total = 0.0
    for batch in as_batches(batches):
        if not learns_from(network, name, batch):
            continue
        rows = counted_rows(network, name, batch)
        labels = batch.labelled.get(name)
        if labels is None:
            total += batch.batch_size if rows is None else int(rows.sum())
            continue
        if rows is not None:
            labels = labels & rows.reshape(-1, *[1] * (labels.dim() - 1))
        total += int(labels.sum()) * (batch.targets[name].numel() / labels.numel())
    return total


def _marked(batches: Any, shares: Mapping[str, float]) -> Any:
    if isinstance(batches, Batch):
        return batches.replaced(gradient_shares=shares)
    if isinstance(batches, Mapping):
        return {name: _marked(batch, shares) for name, batch in batches.items()}
    return [_marked(batch, shares) for batch in batches]
