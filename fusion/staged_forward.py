"""Run encoders level by level, for what acts between their stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sennit.data.masking import zero_padding
from sennit.data.view import View
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders.present_rows import PresentRows, unpack_output
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion
from torch import Tensor

Across = Callable[[str, int, list[Tensor], Tensor | None, list[list[Tensor]]], list[Tensor]]


class Column(Protocol):
    """Staged encoders and the fusion that reads them, such as a `sennit.fusion.FusedEncoder`."""

    fusion: Fusion
    training: bool

    @property
    def encoders(self) -> SupportsItems:
        """Encoder of each modality."""


class SupportsItems(Protocol):
    """A mapping from modalities to encoders, as `NamedModules` is one."""

    def items(self) -> Iterable[tuple[str, Encoder]]: ...


class _Track:
    """One encoder on its way through its stages."""

    def __init__(self, encoder: StagedEncoder, rows: PresentRows, x: Tensor, mask: Tensor | None) -> None:
        packed = None if mask is None else rows.pack(mask)
        self.encoder, self.rows, self.depth = encoder, rows, len(encoder.tap_info)
        self.taps: dict[str, Tensor] = {}
        self.tap_masks: dict[str, Tensor] = {}
        self.hidden, self.mask = encoder.stem(zero_padding(rows.pack(x), packed), packed)

    def step(self, level: int) -> None:
        self.hidden, self.mask = self.encoder.run_stage(self.depth + level, self.hidden, self.mask)

    def record(self, level: int) -> None:
        name = self.encoder.tap_info[self.depth + level].name
        self.taps[name] = self.hidden
        if self.mask is not None:
            self.tap_masks[name] = self.mask

    def finish(self) -> EncoderOutput:
        return unpack_output(self.encoder.finish(self.taps, self.tap_masks), self.rows)


def encode_by_level(
    members: Sequence[Column], view: View, across: Across | None = None
) -> list[dict[str, EncoderOutput]]:
    """Encode a view with one or several sets of encoders, exchanging after every stage.

    Args:
        members: Each has its own encoders of the same modalities. After a level, the fusion of each
            may exchange between its modalities (MMTM).
        view: What to encode.
        across: Exchanges one modality between the members (cross-stitch): called with the modality,
            the level (from the deepest, -1), the hidden state of each member, its mask, and the taps
            that each member has had so far.

    Returns:
        For each member, the output of its encoders by modality.
    """
    first = members[0]
    slots = {
        m: PresentRows.of(view.present[m], all_present=view.all_present, training=first.training)
        for m, _ in first.encoders.items()
    }
    tracks: list[dict[str, _Track]] = []
    for member in members:
        tracks.append({})
        for name, encoder in member.encoders.items():
            assert isinstance(encoder, StagedEncoder)  # refused by name when the model was built
            if not slots[name].empty:
                tracks[-1][name] = _Track(encoder, slots[name], view.inputs[name], view.masks.get(name))
    deepest = max((t.depth for own in tracks for t in own.values()), default=0)
    present = None if view.all_present else view.present
    for level in range(-deepest, 0):
        for own in tracks:
            for track in own.values():
                if track.depth + level >= 0:
                    track.step(level)
        for member, own in zip(members, tracks, strict=True):
            if member.fusion.exchanges:
                live = {m: t for m, t in own.items() if t.depth + level >= 0}
                hidden = {m: t.rows.unpack(t.hidden) for m, t in live.items()}
                masks = {m: t.rows.unpack(t.mask) for m, t in live.items() if t.mask is not None}
                mixed = member.fusion.exchange(level, hidden, masks, present)
                for m, t in live.items():
                    t.hidden = t.rows.pack(mixed[m])
        if across is not None:
            for name in tracks[0]:
                if tracks[0][name].depth + level >= 0:
                    same = [own[name] for own in tracks]
                    earlier = [list(t.taps.values()) for t in same]
                    mixed_columns = across(name, level, [t.hidden for t in same], same[0].mask, earlier)
                    for own, column in zip(tracks, mixed_columns, strict=True):
                        own[name].hidden = column
        for own in tracks:
            for track in own.values():
                if track.depth + level >= 0:
                    track.record(level)
    return [
        {
            name: own[name].finish()
            if name in own
            else encoder.empty_output(view.batch_size, device=view.inputs[name].device)
            for name, encoder in member.encoders.items()
        }
        for member, own in zip(members, tracks, strict=True)
    ]
