"""Batches of cached taps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.fusion.cell.readings import source_of
from sennit.fusion.intermediate.cells import Taps
from sennit.search.batched.candidate import Present
from sennit.search.taps.tap_cache import TapCache
from sennit.tasks import Task


class CachedBatches:
    """The taps of a cache that a generation reads, with targets, on a device.

    On the CPU the taps stay on disk until a batch needs them; to a GPU they are copied once.

    Args:
        cache: Taps and targets of all samples.
        used: Pairs of a modality and a tap.
        tasks: Tasks by name.
        device: Device of the batches.

    Attributes:
        size: Number of rows.
        targets: Targets of each task.
        scored: Mask, for each task, of the samples (or labels) that are labelled and that it can read.

    Raises:
        ValueError: A task has no targets in the cache, or no label; or the places of a tap are not cached.
    """

    def __init__(
        self,
        cache: TapCache,
        used: Sequence[tuple[str, str]],
        tasks: Mapping[str, Task],
        device: torch.device,
    ) -> None:
        self.size, self.device = len(cache), device
        self.taps: dict[str, dict[str, Tensor]] = {m: {} for m in cache.taps}
        for m, tap in {(m, source_of(tap)): None for m, tap in used}:
            if tap not in cache.taps[m]:
                raise ValueError(
                    f"the taps of '{m}' should be cached with '{tap}'. Found {sorted(cache.taps[m])}. Give "
                    f"`cache_taps(places=True)`, or a space without readings."
                )
            self.taps[m][tap] = cache.taps[m][tap].to(device)
        self.present = None if cache.present is None else {m: p.to(device) for m, p in cache.present.items()}
        for name in tasks:
            if name not in cache.targets:
                raise ValueError(
                    f"the data should have targets of task '{name}'. Found {sorted(cache.targets)}."
                )
        self.targets = {name: cache.targets[name].to(device) for name in tasks}
        self.scored = {
            name: self._readable(cache.labelled[name].to(device), task.reads) for name, task in tasks.items()
        }
        for name, scored in self.scored.items():
            if not bool(scored.any()):
                raise ValueError(
                    f"task '{name}' should have a label in the data. Found none in {self.size} samples."
                )

    def _readable(self, labelled: Tensor, reads: Sequence[str] | None) -> Tensor:
        if reads is None or self.present is None:
            return labelled
        readable = torch.stack([self.present[m] for m in reads]).any(0)
        return labelled & readable.reshape(-1, *[1] * (labelled.dim() - 1))

    def batch(self, rows: Tensor) -> tuple[Taps, Present, dict[str, Tensor], dict[str, Tensor]]:
        """Return taps, present masks, targets and the masks of scored labels of some rows."""
        rows = rows.to(self.device)

        def pick(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: x.index_select(0, rows) for name, x in values.items()}

        present = None if self.present is None else pick(self.present)
        taps = {m: pick(taps_of_modality) for m, taps_of_modality in self.taps.items()}
        return taps, present, pick(self.targets), pick(self.scored)
