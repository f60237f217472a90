"""Batches of cached taps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from sennit.fusion.intermediate.cells import Taps
from sennit.search.batched.candidate import Present
from sennit.search.evaluator import Objective
from sennit.search.taps.tap_cache import TapCache
from torch import Tensor


class CachedBatches:
    """The taps of a cache that some candidates read, with targets, on a device.

    On the CPU the taps stay on disk until a batch needs them; to a GPU they are copied once.

    Args:
        cache: All rows.
        used: Pairs of a modality and a tap.
        objectives: By task.
        device: Where batches are wanted.

    Attributes:
        size: How many rows there are.
        targets: By task.
        known: By task, which samples (or labels) are labelled and can be read by it.
    """

    def __init__(
        self,
        cache: TapCache,
        used: Sequence[tuple[str, str]],
        objectives: Mapping[str, Objective],
        device: torch.device,
    ) -> None:
        self.size, self.device = len(cache), device
        self.taps: dict[str, dict[str, Tensor]] = {m: {} for m in cache.taps}
        for m, tap in used:
            self.taps[m][tap] = cache.taps[m][tap].to(device)
        self.present = None if cache.present is None else {m: p.to(device) for m, p in cache.present.items()}
        for task in objectives:
            if task not in cache.targets:
                raise ValueError(
                    f"the data should have targets of task '{task}'. Found {sorted(cache.targets)}."
                )
        self.targets = {t: cache.targets[t].to(device) for t in objectives}
        self.known = {t: self._known(cache.labelled[t].to(device), o.reads) for t, o in objectives.items()}
        for task, known in self.known.items():
            if not bool(known.any()):
                raise ValueError(
                    f"task '{task}' should have a label in the data. Found none of {self.size} samples."
                )

    def _known(self, labelled: Tensor, reads: Sequence[str] | None) -> Tensor:
        if reads is None or self.present is None:
            return labelled
        readable = torch.stack([self.present[m] for m in reads]).any(0)
        return labelled & readable.reshape(-1, *[1] * (labelled.dim() - 1))

    def batch(self, rows: Tensor) -> tuple[Taps, Present, dict[str, Tensor], dict[str, Tensor]]:
        """Taps, presence, targets and what is known of them, of some rows."""
        rows = rows.to(self.device)

        def pick(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: x.index_select(0, rows) for name, x in values.items()}

        present = None if self.present is None else pick(self.present)
        return {m: pick(own) for m, own in self.taps.items()}, present, pick(self.targets), pick(self.known)
