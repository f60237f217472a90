"""Run encoders level by level, for what acts between their stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor

from sennit.data.masking import zero_padding
from sennit.data.view import View
from sennit.encoders._base import StagedEncoder
from sennit.encoders.present_rows import PresentRows, changed, unpack_output
from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion

Across = Callable[[str, int, list[Tensor], Tensor | None, list[list[Tensor]]], list[Tensor]]
Attend = Callable[[str, int, Tensor, Tensor | None, str], Tensor]


class Encoders(Protocol):
    """Encoders by modality, such as `sennit.named_modules.NamedModules`."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the modalities and their encoders."""
        ...


class Column(Protocol):
    """Staged encoders and the fusion that reads them, such as a `sennit.fusion.FusedEncoder`."""

    fusion: Fusion
    training: bool

    @property
    def encoders(self) -> Encoders:
        """Encoder of each modality."""
        ...


class _Track:
    """One encoder on its way through its stages."""

    def __init__(
        self,
        encoder: StagedEncoder,
        rows: PresentRows,
        x: Tensor,
        mask: Tensor | None,
        perturbation: Tensor | None,
        noise: float,
    ) -> None:
        packed = None if mask is None else rows.pack(mask)
        self.encoder, self.rows, self.depth = encoder, rows, len(encoder.tap_info)
        self.taps: dict[str, Tensor] = {}
        self.tap_masks: dict[str, Tensor] = {}
        self.noise = noise
        x = zero_padding(rows.pack(encoder.cast_input(x)), packed)
        added = None if perturbation is None else rows.pack(perturbation)
        with changed(encoder, rows, added):
            self.hidden, self.mask = encoder.stem(x, packed)

    def has(self, level: int) -> bool:
        return self.depth + level >= 0

    def step(self, level: int) -> None:
        with changed(self.encoder, self.rows, noise=self.noise):
            self.hidden, self.mask = self.encoder.run_stage(self.depth + level, self.hidden, self.mask)

    def record(self, level: int) -> None:
        name = self.encoder.tap_info[self.depth + level].name
        self.taps[name] = self.hidden
        if self.mask is not None:
            self.tap_masks[name] = self.mask

    def finish(self, taps: Mapping[str, Tensor]) -> EncoderOutput:
        with changed(self.encoder, self.rows):
            out = self.encoder.finish(taps, self.tap_masks)
        return unpack_output(out, self.rows)


def encode_by_level(
    columns: Sequence[Column], view: View, across: Across | None = None
) -> list[dict[str, EncoderOutput]]:
    """Encode a view with one or several sets of encoders, exchanging after every stage.

    Args:
        columns: Sets of encoders of the same modalities. After a level, the fusion of each may exchange
            between its modalities (MMTM).
        view: View to encode.
        across: Exchange of one modality between the columns (cross-stitch): called with the modality, the
            level (from the deepest, -1), the hidden state of each column, its mask, and the earlier taps of
            each column.

    Returns:
        For each column, the output of its encoders by modality.
    """
    every = _run(columns, view, across)
    return [
        _outputs(column, view, {m: track.finish(track.taps) for m, track in tracks.items()})
        for column, tracks in zip(columns, every, strict=True)
    ]


def encode_attended(
    column: Column, view: View, readers: Sequence[str], attend: Attend
) -> dict[str, dict[str, EncoderOutput]]:
    """Encode a view once, and let each reader take its part of every stage.

    Args:
        column: Encoders and their fusion, which may exchange between the modalities after a level (MMTM).
        view: View to encode.
        readers: Names of the readers.
        attend: Function that returns what a reader takes of a stage: called with the modality, the level
            (from the deepest, -1), the hidden state, what the reader took of the stage before (None at the
            first), and the reader.

    Returns:
        For each reader, the output of the encoders by modality, made of what it took.
    """
    taken: dict[str, dict[str, list[Tensor]]] = {r: {} for r in readers}

    def take(
        modality: str, level: int, hidden: list[Tensor], mask: Tensor | None, earlier: list[list[Tensor]]
    ) -> list[Tensor]:
        for reader in readers:
            before = taken[reader].setdefault(modality, [])
            before.append(attend(modality, level, hidden[0], before[-1] if before else None, reader))
        return hidden

    tracks = _run([column], view, take)[0]
    return {
        reader: _outputs(
            column,
            view,
            {m: t.finish(dict(zip(t.taps, taken[reader][m], strict=True))) for m, t in tracks.items()},
        )
        for reader in readers
    }


def _outputs(column: Column, view: View, encoded: Mapping[str, EncoderOutput]) -> dict[str, EncoderOutput]:
    """Return the outputs of a column, those of modalities absent from the whole batch among them."""
    return {
        name: encoded[name]
        if name in encoded
        else encoder.empty_output(view.batch_size, device=view.inputs[name].device)
        for name, encoder in column.encoders.items()
    }


def _run(columns: Sequence[Column], view: View, across: Across | None) -> list[dict[str, _Track]]:
    """Run the stages of all encoders; see `encode_by_level`."""
    rows = {
        m: PresentRows.of(view.present[m], all_present=view.all_present)
        for m, _ in columns[0].encoders.items()
    }
    every: list[dict[str, _Track]] = []
    for column in columns:
        tracks = {}
        for name, encoder in column.encoders.items():
            assert isinstance(encoder, StagedEncoder)  # refused by name when the model was built
            if not rows[name].empty:
                x, mask, added = view.inputs[name], view.masks.get(name), view.perturbation.get(name)
                noise = view.noise.get(name, 0.0)
                tracks[name] = _Track(encoder, rows[name], x, mask, added, noise)
        every.append(tracks)
    deepest = max((track.depth for tracks in every for track in tracks.values()), default=0)
    present = None if view.all_present else view.present
    for level in range(-deepest, 0):
        live = [{m: track for m, track in tracks.items() if track.has(level)} for tracks in every]
        for tracks in live:
            for track in tracks.values():
                track.step(level)
        for column, tracks in zip(columns, live, strict=True):
            if column.fusion.exchanges:
                _exchange(column.fusion, level, tracks, present)
        if across is not None:
            for name in live[0]:
                same = [tracks[name] for tracks in live]
                earlier = [list(track.taps.values()) for track in same]
                mixed = across(name, level, [track.hidden for track in same], same[0].mask, earlier)
                for track, hidden in zip(same, mixed, strict=True):
                    track.hidden = hidden
        for tracks in live:
            for track in tracks.values():
                track.record(level)
    return every


def _exchange(
    fusion: Fusion, level: int, tracks: dict[str, _Track], present: Mapping[str, Tensor] | None
) -> None:
    """Let a fusion act between the modalities of one column."""
    hidden = {m: track.rows.unpack(track.hidden) for m, track in tracks.items()}
    masks = {m: track.rows.unpack(track.mask) for m, track in tracks.items() if track.mask is not None}
    mixed = fusion.exchange(level, hidden, masks, present)
    for m, track in tracks.items():
        track.hidden = track.rows.pack(mixed[m])
