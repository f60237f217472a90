"""A value for each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from sennit.tasks.memory._base import Memory
from sennit.tasks.memory.gathered import gathered


class SampleMemory(Memory):
    """A value for each sample of a loader, and how often it was written.

    Samples are known by their ids, ``Batch.index``, which are numbers from 0 on in each loader; the same id
    in two loaders is two samples. Of several values for a sample in one write the last counts, once.

    Args:
        samples: Number of samples; by loader, where more than one is remembered.
        shape: Shape of a value.
        dtype: Type of a value.

    Shape:
        rows ``[B]``, values ``[B, *shape]``, counts ``[B]``.

    Raises:
        ValueError: ``samples`` is below 1.

    Example:
        >>> memory = SampleMemory(5, (2,))
        >>> rows = memory.rows("", torch.tensor([3, 0]))
        >>> memory.write(rows, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> values, counts = memory.read(memory.rows("", torch.tensor([0, 1])))
        >>> values.tolist(), counts.tolist()
        ([[3.0, 4.0], [0.0, 0.0]], [1, 0])
    """

    _plain: ClassVar[Mapping[str, Any]] = {"loader": None}

    def __init__(
        self,
        samples: int | Mapping[str, int],
        shape: Sequence[int] = (),
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.samples = dict(samples) if isinstance(samples, Mapping) else samples
        numbers = list(self.samples.values()) if isinstance(self.samples, dict) else [self.samples]
        if not numbers or min(numbers) < 1:
            raise ValueError(f"`samples` should be 1 or more, for each loader. Found {samples}.")
        self.size, self.shape, self.dtype = sum(numbers), tuple(shape), dtype
        self.loader: str | None = None

    def blank(self) -> dict[str, Tensor]:
        values = torch.zeros(self.size, *self.shape, dtype=self.dtype)
        return {"values": values, "counts": torch.zeros(self.size, dtype=torch.long)}

    def rows(self, loader: str | None, index: Tensor | None) -> Tensor:
        """Return the rows of samples in the memory.

        Args:
            loader: Name of the loader, ``Batch.loader``; None for the only one.
            index: Ids of the samples, ``Batch.index``.

        Raises:
            ValueError: A sample has no id, or one out of range; the loader is not remembered.
        """
        start, size = self._place_of(loader)
        of = f" of loader '{loader}'" if loader else ""
        if index is None:
            raise ValueError(
                f"every sample{of} should have an id, to be remembered by. Found a batch without an index. "
                f"Give Batch.of(..., index=...), or 'index' in each sample of the dataset."
            )
        if len(index):
            least, most = (int(x) for x in index.aminmax())
            if least < 0:
                raise ValueError(
                    f"every sample{of} should have an id, to be remembered by. Found {least}, which stands "
                    f"for none. Let the dataset give its samples 'index': their number in the data."
                )
            if most >= size:
                raise ValueError(
                    f"`samples` should be more than every id{of}. Found samples={size} and the id {most}. "
                    f"Raise `samples`, or number the samples from 0 on."
                )
        return index + start

    def _place_of(self, loader: str | None) -> tuple[int, int]:
        """Return the first row of a loader's samples, and their number."""
        if loader is None and not isinstance(self.samples, dict):
            return 0, self.samples
        if isinstance(self.samples, dict):
            if loader not in self.samples:
                raise ValueError(
                    f"`samples` should hold the number of samples of each loader. Found {self.samples}, and "
                    f"a batch of loader '{loader}'. Add it, or leave that loader out by the task's `loaders`."
                )
            names = list(self.samples)
            return sum(self.samples[n] for n in names[: names.index(loader)]), self.samples[loader]
        if self.loader is None:
            self.loader = loader
        if loader != self.loader:
            raise ValueError(
                f"`samples` should be numbers by loader, as ids of two loaders may be the same. Found "
                f"samples={self.samples}, and batches of '{self.loader}' and '{loader}'. Give "
                f"samples={{'{self.loader}': {self.samples}, '{loader}': ...}}, or restrict the task by "
                f"loaders=('{self.loader}',)."
            )
        return 0, self.samples

    def read(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the values of rows, zeros where nothing was written, and how often they were written."""
        return self.held("values")[rows], self.held("counts")[rows]

    @torch.no_grad()
    def write(self, rows: Tensor, values: Tensor, *, decay: float = 0.0) -> None:
        """Write values of samples, from all ranks; every rank calls it at the same place.

        ``v ← decay · v + (1 − decay) · value``, from zero on: the mean of the n values of a row is
        ``v / (1 − decayⁿ)``.

        Args:
            rows: Rows, as `rows` returns them.
            values: New values.
            decay: Weight of the value so far.
        """
        self.put(*gathered(rows, values.to(self.dtype)), decay=decay)

    @torch.no_grad()
    def put(self, rows: Tensor, values: Tensor, *, decay: float = 0.0) -> None:
        """Write values that all ranks have already; see `write`."""
        single, inverse = torch.unique(rows, return_inverse=True)
        place = torch.arange(len(rows), device=rows.device)
        last = place.new_zeros(len(single)).scatter_reduce_(0, inverse, place, "amax", include_self=False)
        memory, new = self.held("values"), values[last].to(self.dtype)
        memory[single] = torch.lerp(new, memory[single], decay) if decay else new
        self.held("counts")[single] += 1
