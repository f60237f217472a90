"""One rendering of a batch of samples of which any modality may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import torch
from torch import Tensor

from sennit.data.validation import check_finite, refuse_unknown, validate


@dataclass(frozen=True)
class View:
    """One rendering of a batch: its inputs, their valid steps and which modalities are present.

    `View.of` makes one and checks it; the constructor checks nothing.

    Attributes:
        inputs: One tensor ``[B, ...]`` for each modality.
        masks: Valid steps (True), ``[B, T]`` bool, of the modalities that have a time axis.
        present: Rows that have the modality (True), ``[B]`` bool, for each modality.
        all_present: Set on the CPU when nothing is missing; lets a model take the plain path.
        index: Sample ids ``[B]``, for messages, caches and memories; -1 for a sample without an id.
        drawn: Random values that augmentations drew for each row, by ``"<modality>/<name>"``: targets for
            tasks.
        rows: Sample of the batch that each row of a view is of ``[R]``, where a view has more or fewer rows;
            None: one each, in order.
        observed: Present masks before modality dropout; empty where nothing was hidden.
        perturbation: Tensors ``[B, T, D]`` that are added to the vectors which an encoder makes of ids, by
            modality.
        noise: Deviation of the noise that is added between the stages of an encoder, by modality, over
            that of each channel.
        shares_presence: Whether modality dropout hides in this view what it hides in its batch; otherwise it
            draws anew.
    """

    inputs: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    present: Mapping[str, Tensor] = field(default_factory=dict)
    all_present: bool = False
    index: Tensor | None = None
    drawn: Mapping[str, Tensor] = field(default_factory=dict)
    rows: Tensor | None = None
    observed: Mapping[str, Tensor] = field(default_factory=dict)
    shares_presence: bool = True
    perturbation: Mapping[str, Tensor] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        inputs: Mapping[str, Tensor],
        *,
        masks: Mapping[str, Tensor] | None = None,
        present: Mapping[str, Tensor] | None = None,
        index: Tensor | None = None,
    ) -> Self:
        """Build from tensors; a modality without an entry in ``present`` is present in every row.

        Raises:
            ValueError: Sizes or names disagree, or a sample has no modality at all (its index is named).

        Example:
            >>> view = View.of({"audio": torch.randn(4, 3)})
            >>> view.all_present
            True
        """
        masks, present = masks or {}, present or {}
        validate(inputs, masks, present, index=index)
        return cls(inputs, masks, filled(present, inputs), _all_present(present), index)

    @property
    def batch_size(self) -> int:
        """Number of samples."""
        return len(next(iter(self.inputs.values())))

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """Return the same view on another device; itself if it is there already."""
        device = torch.device(device)
        if next(iter(self.inputs.values())).device == device:
            return self
        return self.map_tensors(lambda x: movable(x, device).to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return the same view in pinned memory."""
        return self.map_tensors(Tensor.pin_memory)

    def select(self, rows: Tensor) -> Self:
        """Return the samples at ``rows``, in that order (an index tensor, on the same device)."""
        chosen = self.map_tensors(lambda x: x.index_select(0, rows))
        if self.all_present:
            return chosen
        return chosen.replaced(all_present=all(bool(p.all()) for p in chosen.present.values()))

    def restrict(self, modalities: tuple[str, ...]) -> Self:
        """Return the same samples with every other modality hidden (absent, not removed)."""
        refuse_unknown("modalities", dict.fromkeys(modalities), self.inputs)
        none = torch.zeros_like(next(iter(self.present.values())))
        present = {m: p if m in modalities else none for m, p in self.present.items()}
        return self.replaced(present=present, all_present=False)

    def replaced(self, **changes: Any) -> Self:
        """Return a copy with some fields changed; nothing is checked."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, **changes)
        return new

    def map_tensors(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy with a function applied to every tensor, those of other views included."""

        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            if isinstance(value, View):
                return value.map_tensors(function)
            return {k: apply(v) for k, v in value.items()} if isinstance(value, Mapping) else value

        return self.replaced(**{f.name: apply(getattr(self, f.name)) for f in fields(self)})

    def check_finite(self, allows_nan: frozenset[str] = frozenset()) -> None:
        """Refuse NaN and infinity where a value is present and valid.

        Args:
            allows_nan: Modalities in which NaN is a missing cell; infinity is refused there too.

        Raises:
            ValueError: A value is NaN or infinite; the modality and the samples are named.
        """
        check_finite(self.inputs, self.masks, self.present, index=self.index, allows_nan=allows_nan)


def movable(x: Tensor, device: torch.device) -> Tensor:
    """Return a tensor in single precision where the device has no double precision, as Apple's GPUs."""
    return x.float() if device.type == "mps" and x.dtype == torch.float64 else x


def filled(flags: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return flags for every name: those given, and True in every row for the others."""
    if not tensors:
        return {}
    first = next(iter(tensors.values()))
    every = torch.ones(len(first), dtype=torch.bool, device=first.device)
    return {name: flags.get(name, every) for name in tensors}


def _all_present(given: Mapping[str, Tensor]) -> bool:
    # Values on a GPU are not read, as that would wait for the device.
    return all(p.device.type == "cpu" and bool(p.all()) for p in given.values())
