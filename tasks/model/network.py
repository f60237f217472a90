"""The forward pass: encoders, a fusion, a sharing and heads."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from sennit.data import Preprocessing, Transforms, View
from sennit.fusion import AnyEncoder, FusedEncoder, Fusion, FusionOutput, ModalityDropout
from sennit.fusion.missing import SubsetLog
from sennit.fusion.staged_forward import encode_by_level
from sennit.fusion.types import AuxiliaryInfo
from sennit.tasks._base import Task
from sennit.tasks.model.decision_rule import decide, learned_rules
from sennit.tasks.model.types import TaskOutput
from sennit.tasks.sharing import Hard, Sharing
from sennit.tasks.weighting import Equal, Weighting
from torch import Tensor, nn

from sennit.named_modules import NamedModules
from sennit.registry import check_part, unknown_name


@dataclass(frozen=True)
class Features:
    """What the heads read: the tensors at which the tasks part.

    Attributes:
        view: The inputs, after modality dropout.
        by_task: ``[B, D]`` for each task; ``[B, K, D]`` under a decision fusion. Tasks that see the
            same modalities through the same trunk share one tensor.
        fused: The fusion's output for each task.
        auxiliary: The fusion's auxiliary vectors for each task.
    """

    view: View
    by_task: Mapping[str, Tensor]
    fused: Mapping[str, FusionOutput]
    auxiliary: Mapping[str, Mapping[str, Tensor]]


class Network(nn.Module):
    """From a view of a batch to the outputs of the tasks; see `sennit.tasks.MultiTaskModel`."""

    def __init__(
        self,
        *,
        encoders: Mapping[str, AnyEncoder],
        fusion: Fusion,
        tasks: Mapping[str, Task],
        sharing: Sharing | None = None,
        weighting: Weighting | None = None,
        modality_dropout: float | ModalityDropout = 0.3,
        transforms: Mapping[str, Transforms] | None = None,
    ) -> None:
        super().__init__()
        fused = FusedEncoder(encoders, fusion)
        self.tasks = NamedModules(tasks)
        self.with_head = tuple(name for name, task in tasks.items() if task.of is None)
        self.sharing = sharing or Hard()
        self.weighting = weighting or Equal()
        check_part("sharing", self.sharing, Sharing)
        check_part("weighting", self.weighting, Weighting)
        _check_tasks(tasks, fused, self.sharing)
        self.sharing.bind(self.with_head, fused.embed_dim, dict(fused.encoders.items()))  # type: ignore[arg-type]
        self.weighting.bind(tasks)
        # One set of encoders for all tasks, or one for each.
        copies = len(self.with_head) - 1 if self.sharing.per_task_encoders else 0
        self.columns = nn.ModuleList([fused, *[copy.deepcopy(fused) for _ in range(copies)]])
        self.sharing.bind_columns(list(self.columns))
        # What every step asks for, looked up once.
        self._owner = {name: task.of or name for name, task in tasks.items()}
        self._all_own_heads = all(task.of is None for task in tasks.values())
        self._reads = {name: tasks[owner].reads for name, owner in self._owner.items()}
        self._targets = {name: task.target for name, task in tasks.items() if task.target is not None}
        self._groups: dict[tuple[str, ...], list[tuple[tuple[str, ...] | None, tuple[str, ...]]]] = {}
        self._views = {name: task.views or ("",) for name, task in tasks.items()}
        if not isinstance(modality_dropout, ModalityDropout):
            modality_dropout = ModalityDropout(modality_dropout)
        modality_dropout.check(fused.modalities)
        self.modality_dropout = modality_dropout
        self.transforms = dict(transforms or {})
        Preprocessing(fused.leaves(), self.transforms)  # refuses those that fit no encoder
        self.subsets = SubsetLog(fused.modalities)
        # A tuple is not registered as a second parent.
        self._first = (fused, self.modality_dropout, self.subsets)
        self.heads = NamedModules(
            {
                t: nn.ModuleList(
                    [tasks[t].build_head(self.sharing.out_dim) for _ in range(fusion.candidates)]
                )
                for t in self.with_head
            }
        )
        self.sharing.bind_heads(dict(self.heads.items()))
        self.rules = NamedModules(learned_rules(fusion, {t: tasks[t] for t in self.with_head}))
        self.auxiliary_info = fused.auxiliary_info()
        self.auxiliary_heads = NamedModules(
            {t: _auxiliary_heads(tasks[t], self.auxiliary_info) for t in self.with_head}
        )

    @property
    def fused_encoder(self) -> FusedEncoder:
        """The encoders and the fusion (of the first task, where each has its own)."""
        return self._first[0]

    @property
    def fused_encoders(self) -> list[FusedEncoder]:
        """The encoders and the fusion of each task, or the one set that all tasks share."""
        return list(self.columns)  # type: ignore[arg-type]

    def forward(self, data: View | Mapping[str, Tensor]) -> dict[str, TaskOutput]:
        """The output of each task that has a head.

        Args:
            data: A `Batch`, a `View`, or just the inputs by modality.
        """
        return self.decode(self.features(self._view(data)), self.with_head)

    def _view(self, data: View | Mapping[str, Tensor]) -> View:
        if isinstance(data, View):
            return data
        view = View.of(data)
        self.fused_encoder.check(view)  # before values are looked at by the axes that they should have
        specs = self.fused_encoder.input_specs
        view.check_finite(frozenset(m for m, spec in specs.items() if spec.allows_nan))
        return view

    def features(self, view: View, tasks: Sequence[str] | None = None) -> Features:
        """Everything up to the point where the tasks part, for some tasks or all with heads."""
        column, dropout, subsets = self._first
        column.check(view)
        if self.training and dropout.hides:
            view = dropout(view)
        if not subsets.complete:
            subsets(view)
        by_task: dict[str, Tensor] = {}
        fused: dict[str, FusionOutput] = {}
        owner = self._owner
        for readers, whole in self._fuse(view, self.with_head if tasks is None else tuple(tasks)):
            for group, out in whole.apart(readers, owner) if whole.readouts else ((readers, whole),):
                shared = self._share(out, self._heads_of(group))
                for task in group:
                    by_task[task], fused[task] = shared[owner[task]], out
        auxiliary = {t: out.auxiliary for t, out in fused.items()} if self.auxiliary_info else {}
        return Features(view, by_task, fused, auxiliary)

    def _heads_of(self, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """The tasks whose heads these tasks use, each once."""
        return tasks if self._all_own_heads else tuple(dict.fromkeys(self._owner[t] for t in tasks))

    def _share(self, out: FusionOutput, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        if out.candidates is None:
            features: dict[str, Tensor] = self.sharing(out.pooled, tasks)
            return features
        flat = self.sharing(out.candidates.flatten(0, 1), tasks)
        shared = {id(x): x.unflatten(0, out.candidates.shape[:2]) for x in flat.values()}
        return {task: shared[id(x)] for task, x in flat.items()}

    def _fuse(self, view: View, tasks: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FusionOutput]]:
        """The fused output of each group of tasks that read the same through the same encoders."""
        if self.sharing.per_task_encoders:
            columns = self.fused_encoders
            encoded = None
            if self.sharing.exchanges:
                encoded = encode_by_level(columns, view, self.sharing.exchange)
            for task in tasks:
                owner = self.with_head.index(self._owner[task])
                column, reads = columns[owner], self._reads[task]
                hidden = view if reads is None else view.restrict(reads)
                if encoded is None:
                    yield (task,), column(hidden)
                else:
                    yield (task,), column.fuse(encoded[owner], column.presence(hidden))
            return
        column, outputs = self._first[0], None
        if tasks not in self._groups:
            groups: dict[tuple[str, ...] | None, list[str]] = {}
            for task in tasks:
                groups.setdefault(self._reads[task], []).append(task)
            self._groups[tasks] = [(reads, tuple(group)) for reads, group in groups.items()]
        for reads, group in self._groups[tasks]:
            if reads is None:
                outputs = column.encode(view) if outputs is None else outputs
                yield group, column.fuse(outputs, column.presence(view), hidden=True)
                continue
            hidden = view.restrict(reads)
            if column.nested or column.fusion.exchanges:  # there the other modalities would leak in
                yield group, column(hidden)
            else:
                outputs = column.encode(view) if outputs is None else outputs
                yield group, column.fuse(outputs, column.presence(hidden))

    def decode(self, features: Features, tasks: Sequence[str]) -> dict[str, TaskOutput]:
        """From the features to the outputs of some tasks."""
        outputs = {}
        for name in tasks:
            owner, x = self._owner[name], features.by_task[name]
            auxiliary = {}
            if self.auxiliary_info:
                own = self.auxiliary_heads[owner]
                auxiliary = {m: own[m](v) for m, v in features.auxiliary[name].items() if m in own}
            heads, present = self.heads[owner], features.fused[name].candidate_present
            if present is None:
                outputs[name] = TaskOutput(next(iter(heads))(x), auxiliary=auxiliary)
                continue
            candidates = torch.stack([head(x[:, k]) for k, head in enumerate(heads)], 1)
            rule = self.rules[owner] if owner in self.rules else self._first[0].fusion.rule
            logits, cost = decide(self.tasks[owner], rule, candidates, present)
            outputs[name] = TaskOutput(logits, candidates, present, cost, auxiliary)
        return outputs

    def readable(self, task: str, view: View) -> Tensor | None:
        """Which samples have a modality that the task reads ``[B]``; None when all have."""
        reads = self._reads[task]
        if reads is None or view.all_present:
            return None
        readable = view.present[reads[0]]
        for m in reads[1:]:
            readable = readable | view.present[m]
        return readable


def _auxiliary_heads(task: Task, wanted: Mapping[str, AuxiliaryInfo]) -> NamedModules[nn.Module]:
    readable = {
        name: info
        for name, info in wanted.items()
        if task.reads is None or not set(task.reads).isdisjoint(info.modalities)
    }
    return NamedModules({name: task.build_head(info.dim) for name, info in readable.items()})


def _check_tasks(tasks: Mapping[str, Task], fused: FusedEncoder, sharing: Sharing) -> None:
    if not any(task.of is None for task in tasks.values()):
        raise ValueError("a model needs at least one task with a head. Found none.")
    for name, task in tasks.items():
        for modality in task.reads or ():
            if modality not in fused.modalities:
                raise unknown_name(f"modality that task '{name}' reads", modality, fused.modalities)
        if task.of is not None:
            if task.of not in tasks:
                raise unknown_name(f"task that '{name}' is of", task.of, tasks)
            task.check(tasks[task.of])
        if task.reads is not None and sharing.exchanges and fused.fusion.exchanges:
            raise TypeError(
                f"task '{name}' reads {task.reads} alone, which fusion '{fused.fusion.registry_name}' "
                f"with sharing '{sharing.registry_name}' cannot keep apart. Choose another of the two."
            )
