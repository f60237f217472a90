"""The forward pass: encoders, a fusion, a sharing and heads."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sennit.data import Collate, Preprocessing, Transforms, View
from sennit.fusion import AnyEncoder, FusedEncoder, Fusion, FusionOutput, ModalityDropout
from sennit.fusion.missing import SubsetLog
from sennit.fusion.staged_forward import encode_by_level
from sennit.named_modules import NamedModules
from sennit.registry import check_part
from sennit.tasks._base import Task
from sennit.tasks.model.checks import check_tasks
from sennit.tasks.model.decision_rule import decide, learned_rules
from sennit.tasks.model.heads import build_auxiliary_heads, build_heads
from sennit.tasks.model.outputs import Features, TaskOutput
from sennit.tasks.sharing import Hard, Sharing
from sennit.tasks.weighting import Equal, Weighting

Reads = tuple[str, ...] | None


class Network(nn.Module):
    """The parts of a model and its forward pass; see `sennit.tasks.MultiTaskModel` for the arguments.

    Attributes:
        with_head: Names of the tasks with a head of their own.
        head_of: Name of the task whose head each task uses.
        reads: Modalities that each task may see; None for all.
        views: Names of the views that each task compares; ``("",)`` is the batch itself.
        targets: Shape and type of each labelled task's targets.
        penalized: Whether the sharing adds a penalty to the loss.
        tasks_by_name: The tasks, for look-ups at every step.
        auxiliary_info: Auxiliary vectors for which the fusion asks extra heads.
    """

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
        check_tasks(tasks, fused, self.sharing)
        self.sharing.bind(self.with_head, fused.embed_dim, dict(fused.encoders.items()))
        self.weighting.bind(tasks)
        self.penalized = self.sharing.penalizes
        # One set of encoders for all tasks, or one for each.
        copies = len(self.with_head) - 1 if self.sharing.per_task_encoders else 0
        self.columns = nn.ModuleList([fused, *[copy.deepcopy(fused) for _ in range(copies)]])
        self.sharing.bind_task_networks(list(self.columns))
        self.tasks_by_name = dict(tasks)
        self.head_of = {name: task.of or name for name, task in tasks.items()}
        self.reads: dict[str, Reads] = {name: tasks[head].reads for name, head in self.head_of.items()}
        self._read_alike = all(reads is None for reads in self.reads.values())
        self.views = {name: task.views or ("",) for name, task in tasks.items()}
        self.targets = {name: task.target for name, task in tasks.items() if task.target is not None}
        self._groups: dict[tuple[str, ...], list[tuple[Reads, tuple[str, ...]]]] = {}
        if not isinstance(modality_dropout, ModalityDropout):
            modality_dropout = ModalityDropout(modality_dropout)
        modality_dropout.check(fused.modalities)
        self.modality_dropout = modality_dropout
        self.transforms = dict(transforms or {})
        Preprocessing(fused.leaves(), self.transforms)  # refuses those that fit no encoder
        self.subsets = SubsetLog(fused.modalities)
        # A tuple is not registered as a second parent.
        self._first = (fused, self.modality_dropout, self.subsets)
        headed = {t: tasks[t] for t in self.with_head}
        # A dict is not registered either: heads are looked up in it, once for each task and step.
        self._heads = build_heads(headed, self.sharing.out_dim, fusion.candidates)
        self.heads = NamedModules(self._heads)
        self.sharing.bind_heads(dict(self.heads.items()))
        self.rules = NamedModules(learned_rules(fusion, headed))
        self.auxiliary_info = fused.auxiliary_info()
        self.auxiliary_heads = build_auxiliary_heads(headed, self.auxiliary_info)

    @property
    def fused_encoder(self) -> FusedEncoder:
        """The encoders and the fusion (of the first task, where each has its own)."""
        return self._first[0]

    @property
    def fused_encoders(self) -> list[FusedEncoder]:
        """The encoders and the fusion of each task, or the one set that all tasks share."""
        return list(self.columns)  # type: ignore[arg-type]

    @property
    def config(self) -> dict[str, Any]:
        """All that is needed to make the model again, in plain JSON values; orders are lists."""
        return {
            **self.fused_encoder.config,
            "name": "multi_task_model",
            "tasks": [[name, task.config] for name, task in self.tasks.items()],
            "sharing": self.sharing.config,
            "weighting": self.weighting.config,
            "modality_dropout": self.modality_dropout.config,
            "transforms": [[name, transforms.config] for name, transforms in self.transforms.items()],
        }

    @property
    def collate(self) -> Collate:
        """A function that makes a `Batch` of a list of samples; give it to a DataLoader."""
        return Collate(self.fused_encoder.input_specs, self.targets)

    def preprocessing(self, *, training: bool = False) -> Preprocessing:
        """Return a function from a raw sample to what `collate` reads; in training it augments."""
        return Preprocessing(self.fused_encoder.leaves(), self.transforms, training)

    def forward(self, data: View | Mapping[str, Tensor]) -> dict[str, TaskOutput]:
        """Return the output of each task that has a head.

        Args:
            data: Batch or view, or just the inputs by modality.
        """
        view = data if isinstance(data, View) else self._checked_view(data)
        return self.decode(self.features(view), self.with_head)  # in the order of the tasks

    def _checked_view(self, inputs: Mapping[str, Tensor]) -> View:
        view = View.of(inputs)
        self.fused_encoder.check(view)  # before the check of values, which relies on the axes
        specs = self.fused_encoder.input_specs
        view.check_finite(frozenset(m for m, spec in specs.items() if spec.allows_nan))
        return view

    def features(self, view: View, tasks: Sequence[str] | None = None) -> Features:
        """Compute everything up to the point where the tasks part.

        Args:
            view: Inputs.
            tasks: Names of the tasks that need features; all with heads when None.
        """
        column, dropout, subsets = self._first
        column.check(view)
        if self.training and dropout.hides:
            view = dropout(view)
        if not subsets.complete:
            subsets(view)
        by_task: dict[str, Tensor] = {}
        fused: dict[str, FusionOutput] = {}
        for readers, whole in self._fuse(view, self.with_head if tasks is None else tuple(tasks)):
            for group, out in whole.apart(readers, self.head_of) if whole.readouts else ((readers, whole),):
                shared = self._share(out, tuple(dict.fromkeys([self.head_of[t] for t in group])))
                for task in group:
                    by_task[task], fused[task] = shared[self.head_of[task]], out
        auxiliary = {t: out.auxiliary for t, out in fused.items()} if self.auxiliary_info else {}
        return Features(view, by_task, fused, auxiliary)

    def _share(self, out: FusionOutput, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        if out.candidates is None:
            features: dict[str, Tensor] = self.sharing(out.pooled, tasks)
            return features
        flat = self.sharing(out.candidates.flatten(0, 1), tasks)
        shared = {id(x): x.unflatten(0, out.candidates.shape[:2]) for x in flat.values()}
        return {task: shared[id(x)] for task, x in flat.items()}

    def _fuse(self, view: View, tasks: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], FusionOutput]]:
        """Return the fused output of each group of tasks that read the same through the same encoders."""
        if self.sharing.per_task_encoders:
            return self._fuse_columns(view, tasks)
        if not self._read_alike:
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
        """Yield the fused output of each task, from the task's own encoders."""
        columns = self.fused_encoders
        encoded = encode_by_level(columns, view, self.sharing.exchange) if self.sharing.exchanges else None
        for task in tasks:
            position, reads = self.with_head.index(self.head_of[task]), self.reads[task]
            hidden = view if reads is None else view.restrict(reads)
            column = columns[position]
            if encoded is None:
                yield (task,), column(hidden)
            else:
                yield (task,), column.fuse(encoded[position], column.presence(hidden))

    def decode(self, features: Features, tasks: Sequence[str] | None = None) -> dict[str, TaskOutput]:
        """Apply the heads.

        Args:
            features: Features, as `features` returns them.
            tasks: Names of the tasks to decode; all that have features when None.
        """
        outputs = {}
        for name in features.by_task if tasks is None else tasks:
            head, x = self.head_of[name], features.by_task[name]
            auxiliary = {}
            if self.auxiliary_info:
                extra = self.auxiliary_heads[head]
                auxiliary = {m: extra[m](v) for m, v in features.auxiliary[name].items() if m in extra}
            heads, present = self._heads[head], features.fused[name].candidate_present
            if present is None:
                outputs[name] = TaskOutput(heads[0](x), auxiliary=auxiliary)
                continue
            candidates = torch.stack([one(x[:, k]) for k, one in enumerate(heads)], 1)
            rule = self.rules[head] if head in self.rules else self._first[0].fusion.rule
            logits, cost = decide(self.tasks[head], rule, candidates, present)
            outputs[name] = TaskOutput(logits, candidates, present, cost, auxiliary)
        return outputs

    def readable(self, task: str, view: View) -> Tensor | None:
        """Return which samples have a modality that the task reads ``[B]``; None when all have."""
        reads = self.reads[task]
        if reads is None or view.all_present:
            return None
        return functools.reduce(torch.logical_or, [view.present[m] for m in reads])
