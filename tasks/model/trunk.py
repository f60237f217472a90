"""The forward pass up to the point where the tasks part: encoders, fusion and sharing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from sennit.data import View
from sennit.encoders import EncoderOutput
from sennit.fusion import FusedEncoder, FusionOutput
from sennit.fusion.missing import SubsetLog
from sennit.fusion.staged_forward import encode_attended, encode_by_level
from sennit.fusion.types import AuxiliaryInfo
from sennit.tasks.model.outputs import Features
from sennit.tasks.model.readings import Readings
from sennit.tasks.model.sources import SourceReader
from sennit.tasks.sharing import Sharing

Reads = tuple[str, ...] | None


class Trunk(nn.Module):
    """The encoders, the fusion and the sharing of a `Network`, which makes them.

    Attributes:
        columns: Encoders and fusion: one set, or one for each task.
        readings: The heads that each task's loss needs, and whose features they read.
        reads: Modalities that each reading may see; None for all.
        source_readers: Readers of the heads that read elsewhere than at the fused vector, by task.
    """

    columns: nn.ModuleList
    sharing: Sharing
    readings: Readings
    reads: dict[str, Reads]
    answering: tuple[str, ...]
    source_readers: dict[str, SourceReader]
    auxiliary_info: Mapping[str, AuxiliaryInfo]
    _first: tuple[FusedEncoder, SubsetLog]

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[tuple[str, ...], list[tuple[Reads, tuple[str, ...]]]] = {}
        self._encoders_of: dict[tuple[str, ...], set[str] | None] = {}

    @property
    def fused_encoder(self) -> FusedEncoder:
        """The encoders and the fusion (of the first task, where each has its own)."""
        return self._first[0]

    @property
    def fused_encoders(self) -> list[FusedEncoder]:
        """The encoders and the fusion of each task, or the one set that all tasks share."""
        return list(self.columns)  # type: ignore[arg-type]

    def features(self, view: View, readings: Sequence[str] | None = None) -> Features:
        """Compute everything up to the point where the tasks part.

        Args:
            view: Inputs.
            readings: Readings that need features, such as the names of tasks with heads; those of all tasks
                that answer when None.
        """
        column, subsets = self._first
        column.check(view)
        subsets.record(view)
        by_task: dict[str, Tensor] = {}
        fused: dict[str, FusionOutput] = {}
        sources: dict[str, dict[str, Tensor]] = {}
        masks: dict[str, dict[str, Tensor]] = {}
        head_of, trunk_of = self.readings.head_of, self.readings.trunk_of
        readings = self.answering if readings is None else tuple(readings)
        if readings not in self._encoders_of:
            self._encoders_of[readings] = self._encoders_only(readings)
        if (only := self._encoders_of[readings]) is not None:
            encoded = column.encode(view, only)
            for reading in readings:
                of_encoders = self.source_readers[head_of[reading]]
                sources[reading], masks[reading] = of_encoders.read(None, None, encoded)
            return Features(view, by_task, fused, {}, sources, masks)
        for readers, whole in self._fuse(view, readings):
            for group, out in whole.apart(readers, trunk_of) if whole.readouts else ((readers, whole),):
                trunks = [trunk_of[reading] for reading in group if self._reads_vector(head_of[reading])]
                shared = self._share(out, tuple(dict.fromkeys(trunks))) if trunks else {}
                for reading in group:
                    fused[reading], reader = out, self.source_readers.get(head_of[reading])
                    if reader is None:
                        by_task[reading] = shared[trunk_of[reading]]
                    else:
                        vector = shared.get(trunk_of[reading])
                        sources[reading], masks[reading] = reader.read(out, vector, out.encoded)
        auxiliary: dict[str, Mapping[str, Tensor]] = {}
        if self.auxiliary_info:
            auxiliary = {reading: fused[reading].auxiliary for reading in by_task}
            for reading in sources:
                if self.source_readers[head_of[reading]].of_fused_map:
                    auxiliary[reading] = fused[reading].auxiliary_maps
        return Features(view, by_task, fused, auxiliary, sources, masks)

    def reads_fused(self, reading: str) -> bool:
        """Return whether a reading's head reads the fused features: their vector, tokens or map."""
        reader = self.source_readers.get(self.readings.head_of[reading])
        return reader is None or reader.reads_fusion

    def _encoders_only(self, readings: Sequence[str]) -> set[str] | None:
        """Return the modalities whose encoders are all that some readings need; None if they need more."""
        column = self._first[0]
        alone = not (self.sharing.per_task_encoders or self.sharing.attends or column.fusion.exchanges)
        if column.nested or not alone:
            return None
        readers = [self.source_readers.get(self.readings.head_of[reading]) for reading in readings]
        if any(reader is None or reader.reads_fusion for reader in readers):
            return None
        return {m for reader in readers if reader is not None for m in reader.modalities}

    def _reads_vector(self, head: str) -> bool:
        reader = self.source_readers.get(head)
        return reader is None or reader.reads_vector

    def _share(self, out: FusionOutput, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        if out.candidates is None:
            features: dict[str, Tensor] = self.sharing(out.pooled, tasks)
            return features
        flat = self.sharing(out.candidates.flatten(0, 1), tasks)
        shared = {id(x): x.unflatten(0, out.candidates.shape[:2]) for x in flat.values()}
        return {task: shared[id(x)] for task, x in flat.items()}

    def _fuse(self, view: View, tasks: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], FusionOutput]]:
        """Return the fused output of each group of tasks that read the same through the same encoders."""
        if self.sharing.per_task_encoders or self.sharing.attends:
            return self._fuse_columns(view, tasks)
        if any(self.reads[task] is not None for task in tasks):
            return self._fuse_groups(view, tasks)
        column = self._first[0]
        return [(tasks, column.fuse(column.encode(view), column.presence(view), absent_are_zero=True))]

    def _fuse_groups(
        self, view: View, tasks: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], FusionOutput]]:
        """Yield the fused output of each group of tasks that read the same modalities."""
        column, outputs = self._first[0], None
        if tasks not in self._groups:
            groups: dict[Reads, list[str]] = {}
            for task in tasks:
                groups.setdefault(self.reads[task], []).append(task)
            self._groups[tasks] = [(reads, tuple(group)) for reads, group in groups.items()]
        for reads, group in self._groups[tasks]:
            if reads is None:
                outputs = column.encode(view) if outputs is None else outputs
                yield group, column.fuse(outputs, column.presence(view), absent_are_zero=True)
                continue
            hidden = view.restrict(reads)
            if column.nested or column.fusion.exchanges:  # there the other modalities would leak in
                yield group, column(hidden)
            else:
                outputs = column.encode(view) if outputs is None else outputs
                yield group, column.fuse(outputs, column.presence(hidden))

    def _fuse_columns(
        self, view: View, tasks: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], FusionOutput]]:
        """Yield the fused output of each task, from the task's own encoders or its part of common ones."""
        of_trunk: dict[str, list[str]] = {}
        for task in tasks:
            of_trunk.setdefault(self.readings.trunk_of[task], []).append(task)
        every = self.fused_encoders
        if self.sharing.attends:  # one for all
            every = every * len(self.readings.owners)
        columns = dict(zip(self.readings.owners, every, strict=True))
        encoded: Mapping[str, Mapping[str, EncoderOutput]] = {}
        if self.sharing.attends:
            encoded = encode_attended(self.fused_encoder, view, tuple(of_trunk), self.sharing.attend)
        elif self.sharing.exchanges:
            outputs = encode_by_level(list(columns.values()), view, self.sharing.exchange)
            encoded = dict(zip(columns, outputs, strict=True))
        for trunk, group in of_trunk.items():
            column, reads = columns[trunk], self.reads[trunk]
            hidden = view if reads is None else view.restrict(reads)
            if trunk in encoded:
                yield tuple(group), column.fuse(encoded[trunk], column.presence(hidden))
            else:
                yield tuple(group), column(hidden)
