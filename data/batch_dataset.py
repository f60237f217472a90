"""Samples that fit in memory, served a batch at a time without a Python loop over samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from sennit.data.batch import Batch


class BatchDataset(Dataset[Batch]):
    """A dataset held as one large `Batch`; a loader takes whole batches from it by index.

    Args:
        batch: Batch of all samples.
        transform: Function applied to each batch, such as training noise.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> data = BatchDataset(Batch.of({"x": torch.randn(10, 3)}))
        >>> loader = DataLoader(data, batch_size=4, collate_fn=data.collate)
        >>> [b.batch_size for b in loader]
        [4, 4, 2]
    """

    def __init__(self, batch: Batch, *, transform: Callable[[Batch], Batch] | None = None) -> None:
        self.batch, self.transform = batch, transform

    def __len__(self) -> int:
        return self.batch.batch_size

    def __getitem__(self, row: int) -> Batch:
        return self.__getitems__([row])

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        batch = self.batch.select(torch.as_tensor(rows))
        return batch if self.transform is None else self.transform(batch)

    @staticmethod
    def collate(batch: Any) -> Any:
        """Return the batch that `__getitems__` made, unchanged."""
        return batch
