"""A batch of samples of which any modality and any target may be missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from sennit.data.view import View, check_bool, refuse_unknown
from torch import Tensor


@dataclass(frozen=True)
class Batch(View):
    """What a loader yields: a `View` with targets, labels, sample ids and other renderings.

    Attributes:
        targets: One tensor ``[B, ...]`` a task; where there is no label, any value that the loss can
            read (`Batch.of` and `Collate` put zero there).
        labelled: bool, ``[B]`` or the target's shape, True = there is a label.
        index: ``[B]`` sample ids, for error messages and caches.
        views: Other renderings of the same samples (augmented, a modality dropped).
        all_labelled: Set on the CPU when every label is there.
        unlabelled: Set on the CPU: the tasks without a single label in this batch.

    Example:
        >>> batch = Batch.of({"x": torch.randn(2, 3)}, targets={"y": torch.tensor([0, 1])})
        >>> batch.all_labelled, batch.select(torch.tensor([1])).targets["y"].tolist()
        (True, [1])
    """

    targets: Mapping[str, Tensor] = field(default_factory=dict)
    labelled: Mapping[str, Tensor] = field(default_factory=dict)
    index: Tensor | None = None
    views: Mapping[str, View] = field(default_factory=dict)
    all_labelled: bool = False
    unlabelled: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        inputs: Mapping[str, Tensor],
        *,
        masks: Mapping[str, Tensor] | None = None,
        present: Mapping[str, Tensor] | None = None,
        targets: Mapping[str, Tensor] | None = None,
        labelled: Mapping[str, Tensor] | None = None,
        **more: Any,
    ) -> Self:
        """Build from tensors; a target without an entry in ``labelled`` is labelled throughout.

        Targets become zero where there is no label, so that whatever stood there reaches no loss.
        """
        targets, known = dict(targets or {}), dict(labelled or {})
        size = len(next(iter(inputs.values()))) if inputs else 0
        filled = {
            t: known.pop(t, torch.ones(size, dtype=torch.bool, device=y.device)) for t, y in targets.items()
        }
        refuse_unknown("labelled", known, targets)
        batch = super().of(inputs, masks=masks, present=present, targets=targets, labelled=filled, **more)
        batch = batch._flagged()
        return batch if batch.all_labelled else batch._unchecked(targets=_blanked(targets, filled))

    def __post_init__(self) -> None:
        super().__post_init__()
        for task, target in self.targets.items():
            if len(target) != self.batch_size:
                raise ValueError(
                    f"`targets['{task}']` should hold {self.batch_size} samples. Found {len(target)}."
                )
            if task not in self.labelled:
                raise ValueError(f"`labelled` should have an entry for '{task}'. `Batch.of` fills it in.")
            whole = self.labelled[task].dim() == 1
            shape = (self.batch_size,) if whole else tuple(target.shape)
            check_bool(f"labelled['{task}']", self.labelled[task], shape)
        for name, view in self.views.items():
            if view.batch_size != self.batch_size:
                raise ValueError(
                    f"`views['{name}']` should hold {self.batch_size} samples. Found {view.batch_size}."
                )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a Batch is not a sequence; read `.inputs`, `.targets` or `.select(rows)`.")

    def _flagged(self) -> Self:
        present = all(bool(p.all()) for p in self.present.values())
        all_labelled = all(bool(x.all()) for x in self.labelled.values())
        none = frozenset(t for t, x in self.labelled.items() if not bool(x.any()))
        return self._unchecked(all_present=present, all_labelled=all_labelled, unlabelled=none)

    def select(self, rows: Tensor) -> Self:
        chosen = self._map(lambda x: x.index_select(0, rows))
        return chosen if self.all_present and self.all_labelled else chosen._flagged()

    def _names(self, rows: list[int]) -> str:
        if self.index is None:
            return super()._names(rows)
        return f"the samples with index {self.index[rows].tolist()}"

    def with_views(self, **views: View) -> Self:
        """The same batch with other renderings beside it."""
        return replace(self, views={**self.views, **views})


def _blanked(targets: Mapping[str, Tensor], labelled: Mapping[str, Tensor]) -> dict[str, Tensor]:
    blank = {}
    for task, target in targets.items():
        known = labelled[task]
        blank[task] = target.masked_fill(~known.reshape(*known.shape, *[1] * (target.dim() - known.dim())), 0)
    return blank
