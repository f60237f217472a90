"""One rendering of a batch of samples of which any modality may be missing."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class View:
    """One rendering of a batch: its inputs, which steps are valid, which modalities are there.

    Attributes:
        inputs: One tensor ``[B, ...]`` for each modality.
        masks: ``[B, T]`` bool, True = valid, for those modalities that have a time axis.
        present: ``[B]`` bool, True = there, for each modality.
        all_present: Set on the CPU when nothing is missing; lets a model take the plain path.

    Raises:
        ValueError: Sizes disagree, a sample has no modality at all (its index is named), or a
            present value is NaN or infinite. Values are looked at on the CPU only.
    """

    inputs: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    present: Mapping[str, Tensor] = field(default_factory=dict)
    all_present: bool = False

    def __post_init__(self) -> None:
        self._check_sizes()

    @classmethod
    def of(
        cls,
        inputs: Mapping[str, Tensor],
        *,
        masks: Mapping[str, Tensor] | None = None,
        present: Mapping[str, Tensor] | None = None,
        **more: Any,
    ) -> Self:
        """Build from tensors; a modality without an entry in ``present`` is there throughout.

        Example:
            >>> view = View.of({"audio": torch.randn(4, 3)})
            >>> view.all_present
            True
        """
        sizes = {len(x) for x in inputs.values()}
        if len(sizes) != 1 or 0 in sizes:
            found = {m: len(x) for m, x in inputs.items()}
            raise ValueError(
                f"`inputs` should hold the same number of samples (one or more) for every modality. "
                f"Found {found or 'no modality'}. Mark a missing one in `present`."
            )
        some, known = next(iter(inputs.values())), dict(present or {})
        whole = torch.ones(len(some), dtype=torch.bool, device=some.device)
        filled = {m: known.pop(m, whole) for m in inputs}
        refuse_unknown("present", known, inputs)
        on_cpu = some.device.type == "cpu"
        all_present = not present or (on_cpu and all(bool(p.all()) for p in filled.values()))
        return cls(inputs, masks or {}, filled, all_present, **more)

    @property
    def batch_size(self) -> int:
        return len(next(iter(self.inputs.values())))

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """The same view on another device; itself if it is there already."""
        device = torch.device(device)
        if next(iter(self.inputs.values())).device == device:
            return self
        return self._map(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._map(Tensor.pin_memory)

    def select(self, rows: Tensor) -> Self:
        """The samples at ``rows``, in that order (an index tensor, on the same device)."""
        chosen = self._map(lambda x: x.index_select(0, rows))
        return chosen if self.all_present else chosen._flagged()

    def restrict(self, modalities: tuple[str, ...]) -> Self:
        """The same samples with every other modality hidden (absent, not removed)."""
        refuse_unknown("modalities", dict.fromkeys(modalities), self.inputs)
        none = torch.zeros_like(next(iter(self.present.values())))
        present = {m: p if m in modalities else none for m, p in self.present.items()}
        return self._unchecked(present=present, all_present=False)

    def _unchecked(self, **changes: Any) -> Self:
        """A copy with some fields changed and nothing checked again: for known-good values."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, **changes)
        return new

    def _map(self, move: Any) -> Self:
        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return move(value)
            if isinstance(value, View):
                return value._map(move)
            return {k: apply(v) for k, v in value.items()} if isinstance(value, Mapping) else value

        return self._unchecked(**{f.name: apply(getattr(self, f.name)) for f in fields(self)})

    def _flagged(self) -> Self:
        return self._unchecked(all_present=all(bool(p.all()) for p in self.present.values()))

    def _check_sizes(self) -> None:
        if not self.inputs:
            raise ValueError("`inputs` should hold at least one modality. Found none.")
        size = self.batch_size
        if set(self.present) != set(self.inputs):
            raise ValueError(
                f"`present` should have one entry for each modality {sorted(self.inputs)}. Found "
                f"{sorted(self.present)}. `View.of` and `Batch.of` fill in those that are whole."
            )
        refuse_unknown("masks", self.masks, self.inputs)
        for name, x in self.inputs.items():
            if len(x) != size or size == 0:
                raise ValueError(f"`inputs['{name}']` should hold {size or 'some'} samples. Found {len(x)}.")
            check_bool(f"present['{name}']", self.present[name], (size,))
            if name in self.masks:
                check_bool(f"masks['{name}']", self.masks[name], (*x.shape[:2],))
        if next(iter(self.inputs.values())).device.type == "cpu":
            self._check_presence()

    def _check_presence(self) -> None:
        anything = torch.stack(list(self.present.values())).any(0)
        if not bool(anything.all()):
            rows = (~anything).nonzero().flatten().tolist()
            raise ValueError(
                f"every sample should have at least one modality. Found none for {self._names(rows)}. "
                f"Leave such samples out of the dataset."
            )

    def _names(self, rows: list[int]) -> str:
        return f"the samples at rows {rows} of the batch"

    def check_finite(self, allows_nan: frozenset[str] = frozenset()) -> None:
        """Refuse NaN and infinity where a value is present and valid.

        Args:
            allows_nan: Modalities in which NaN is a missing cell; infinity is refused there too.
        """
        for name, x in self.inputs.items():
            if not x.is_floating_point():
                continue
            bad = x.isinf() if name in allows_nan else ~x.isfinite()
            if name in self.masks:
                bad = bad & self.masks[name].reshape(*self.masks[name].shape, *[1] * (x.dim() - 2))
            rows = (bad.flatten(1).any(1) & self.present[name]).nonzero().flatten().tolist()
            if rows:
                raise ValueError(
                    f"`inputs['{name}']` should be finite where it is present. Found NaN or infinity in "
                    f"{self._names(rows)}. Mark the modality as absent there, or clean the data."
                )


def check_bool(name: str, x: Tensor, shape: tuple[int, ...]) -> None:
    if x.dtype != torch.bool or tuple(x.shape) != shape:
        raise ValueError(f"`{name}` should be bool of shape {shape}. Found {x.dtype} of {tuple(x.shape)}.")


def refuse_unknown(what: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ValueError(f"`{what}` should name only {sorted(known)}. Found {unknown}.{hint}")
