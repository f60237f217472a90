"""The forward pass: encoders, a fusion, a sharing and heads."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sennit.data import Collate, Preprocessing, Transforms, View
from sennit.data.masking import zero_padding
from sennit.encoders.taps import at_size
from sennit.fusion import AnyEncoder, FusedEncoder, Fusion, ModalityDropout
from sennit.fusion.maps import keep_encoded, keep_maps
from sennit.fusion.missing import SubsetLog
from sennit.named_modules import NamedModules
from sennit.ramp import FINISHED, value_at
from sennit.registry import check_part
from sennit.tasks._base import Task
from sennit.tasks.model.checks import check_decisions, check_tasks
from sennit.tasks.model.decision_rule import Decision, decide, learned_rules
from sennit.tasks.model.gradient_scale import call_frozen, scale_gradient
from sennit.tasks.model.heads import build_auxiliary_heads, build_heads
from sennit.tasks.model.outputs import Features, TaskOutput
from sennit.tasks.model.readings import Readings, taught_views
from sennit.tasks.model.sources import source_readers
from sennit.tasks.model.trunk import Reads, Trunk
from sennit.tasks.sharing import Hard, Sharing
from sennit.tasks.weighting import Equal, Weighting


class Network(Trunk):
    """The parts of a model and its forward pass; see `sennit.tasks.MultiTaskModel` for the arguments.

    Attributes:
        with_head: Names of the tasks with a head of their own.
        answering: Names of those whose outputs are answers, which `forward` returns.
        readings: The heads that each task's loss needs, and whose features they read.
        reads: Modalities that each reading may see; None for all.
        views: Names of the views that each task reads; ``("",)`` is the batch itself.
        main_parts: Main part of the loss of each task, as `Term` names it.
        taught: Names of the views that a teacher reads for each task.
        needed: Names of the views of both kinds, without which the task learns nothing from a batch.
        weighted: Flag of each task: whether the weighting and the balancing see it.
        targets: Shape and type of each task's targets in the data.
        penalized: Whether the sharing adds a penalty to the loss.
        progress: Position of the training, as `prepare` sets it.
        tasks_by_name: The tasks, for look-ups at every step.
        step_parts: Parts that read the progress before each step.
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
        for name, task in tasks.items():
            task.on_build(name, fused.leaves())
        self.tasks = NamedModules(tasks)
        self.with_head = tuple(name for name, task in tasks.items() if task.has_head)
        self.answering = tuple(name for name, task in tasks.items() if task.answers)
        self.sharing = sharing or Hard()
        self.weighting = weighting or Equal()
        check_part("sharing", self.sharing, Sharing)
        check_part("weighting", self.weighting, Weighting)
        check_tasks(tasks, fused, self.sharing, self.weighting)
        self.readings = Readings(tasks)
        owners = self.readings.owners
        self.sharing.bind(owners, fused.embed_dim, dict(fused.encoders.items()))
        self.weighted = tuple(task.weighted for task in tasks.values())
        self.weighting.bind({name: task for name, task in tasks.items() if task.weighted})
        self.penalized = self.sharing.penalizes
        # One set of encoders for all tasks, or one for each.
        copies = len(owners) - 1 if self.sharing.per_task_encoders else 0
        self.columns = nn.ModuleList([fused, *[copy.deepcopy(fused) for _ in range(copies)]])
        self.sharing.bind_task_networks(list(self.columns))
        self.tasks_by_name = dict(tasks)
        self.reads: dict[str, Reads] = {r: tasks[t].reads for r, t in self.readings.trunk_of.items()}
        self.views = {name: task.views_of(name) for name, task in tasks.items()}
        self.main_parts = [(name, "") for name in tasks]
        self.taught = {name: taught_views(name, task) for name, task in tasks.items()}
        self.needed = {n: tuple(dict.fromkeys((*views, *self.taught[n]))) for n, views in self.views.items()}
        self.targets = {n: t.target for n, t in tasks.items() if t.target is not None and t.drawn is None}
        self.progress = FINISHED
        if not isinstance(modality_dropout, ModalityDropout):
            modality_dropout = ModalityDropout(modality_dropout)
        modality_dropout.check(fused.modalities)
        self.modality_dropout = modality_dropout
        self.transforms = dict(transforms or {})
        Preprocessing(fused.leaves(), self.transforms)  # refuses those that fit no encoder
        self.subsets = SubsetLog(fused.modalities)
        # A tuple is not registered as a second parent.
        self._first = (fused, self.subsets)
        headed = {t: tasks[t] for t in self.with_head}
        self._reversals = {name: task.reversal for name, task in tasks.items() if task.reversal != 1}
        self.source_readers = source_readers(headed, fused, self.sharing.out_dim)
        for i, column in enumerate(self.fused_encoders):
            self._keep_what_is_read(column, owners if len(self.columns) == 1 else owners[i : i + 1])
        # A dict is not registered either: heads are looked up in it, once for each task and step.
        self._heads = build_heads(headed, self.sharing.out_dim, fusion.candidates, self.source_readers)
        self.heads = NamedModules(self._heads)
        self.sharing.bind_heads({task: self._heads[task] for task in owners})
        self.auxiliary_info = fused.auxiliary_info()
        self.auxiliary_heads = build_auxiliary_heads(headed, self.auxiliary_info, self.source_readers)
        readers = self.source_readers
        headed = {t: task for t, task in headed.items() if t not in readers or readers[t].of_candidates}
        rules = learned_rules(fusion, headed)
        check_decisions(tasks, fusion, rules)
        self.rules = NamedModules(rules)
        self.step_parts: list[Any] = [part for part in self.modules() if hasattr(part, "on_step_start")]
        for name, task in tasks.items():
            task.bind(name, self)

    def _keep_what_is_read(self, column: FusedEncoder, owners: tuple[str, ...]) -> None:
        """Let a column return the maps and the encoders' outputs that tasks read through these trunks."""
        readers = [r for t, r in self.source_readers.items() if self.readings.trunk_of[t] in owners]
        read = [source for reader in readers for source in reader.sources.values()]
        maps = {source.modality for source in read if source.at.endswith("map")}
        keep_maps(column, fused=None in maps, encoded={m for m in maps if m})
        if any(source.modality for source in read):
            keep_encoded(column)

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
        return Preprocessing(self.fused_encoder.leaves(), self.transforms, training, self.targets)

    def forward(self, data: View | Mapping[str, Tensor]) -> dict[str, TaskOutput]:
        """Return the output of each task that answers.

        Args:
            data: Batch or view, or just the inputs by modality.
        """
        view = data if isinstance(data, View) else self._checked_view(data)
        return self.decode(self.features(view, self.answering), self.answering)  # in the order of the tasks

    def _checked_view(self, inputs: Mapping[str, Tensor]) -> View:
        view = View.of(inputs)
        self.fused_encoder.check(view)  # before the check of values, which relies on the axes
        specs = self.fused_encoder.input_specs
        view.check_finite(frozenset(m for m, spec in specs.items() if spec.allows_nan))
        return view

    def decode(self, features: Features, readings: Sequence[str] | None = None) -> dict[str, TaskOutput]:
        """Apply the heads.

        Args:
            features: Features, as `features` returns them.
            readings: Readings to decode; all that have features when None.
        """
        outputs = {}
        for name in (*features.by_task, *features.sources) if readings is None else readings:
            head, scale = self.readings.head_of[name], self._reversal(name)
            heads, reader = self._heads[head], self.source_readers.get(head)
            fused, size = features.fused.get(name), None
            present = None if fused is None else fused.candidate_present
            x: Any
            if reader is None:
                x = scale_gradient(features.by_task[name], scale)
            else:
                size = reader.size(features.view)
                x = {source: scale_gradient(v, scale) for source, v in features.sources[name].items()}
                for source, other in reader.outputs.items():
                    x[source] = self._output_of(other, x[source], present)
                x = x[""] if x.keys() == {""} else x
            auxiliary = {}
            if self.auxiliary_info:
                extra, vectors = self.auxiliary_heads[head], features.auxiliary.get(name, {})
                auxiliary = {
                    m: at_size(extra[m](scale_gradient(v, scale)), size)
                    for m, v in vectors.items()
                    if m in extra
                }
            if present is None or (reader is not None and not reader.of_candidates):
                out = at_size(heads[0](x), size)
                if self.tasks_by_name[head].by_token:
                    out = zero_padding(out, features.source_masks.get(name, {}).get(""))
                outputs[name] = TaskOutput(out, auxiliary=auxiliary)
                continue
            candidates = torch.stack([at_size(one(x[:, k]), size) for k, one in enumerate(heads)], 1)
            rule = self.rules[head] if head in self.rules else self._first[0].fusion.rule
            logits, cost = decide(self.tasks[head], rule, candidates, present)
            outputs[name] = TaskOutput(logits, candidates, present, cost, auxiliary)
        return outputs

    def _reversal(self, reading: str) -> float:
        """Return the factor on the gradient that leaves a head downwards."""
        reversal = self._reversals.get(self.readings.task_of[reading])
        return 1.0 if reversal is None else value_at(reversal, self.progress)

    def _output_of(self, task: str, x: Tensor, present: Tensor | None) -> Tensor:
        """Return a task's output for another one that reads it; its head gets no gradient of that one."""
        heads = self._heads[task]
        if present is None:
            return call_frozen(heads[0], x)
        candidates = torch.stack([call_frozen(one, x[:, k]) for k, one in enumerate(heads)], 1)
        rule = self.rules[task] if task in self.rules else self._first[0].fusion.rule
        logits = call_frozen(Decision(self.tasks[task], rule), candidates, present)
        # Where a rule gives both alternatives of a label, the log-odds are the output without a rule.
        return logits[..., 1] - logits[..., 0] if logits.dim() > candidates.dim() - 1 else logits

    def readable(self, reading: str, view: View) -> Tensor | None:
        """Return which rows have a modality that a reading sees, and those of its sources ``[B]``.

        None when all have.
        """
        if view.all_present:
            return None
        reads, reader = self.reads[reading], self.source_readers.get(self.readings.head_of[reading])
        if reader is not None and reader.modalities:
            return functools.reduce(torch.logical_and, [view.present[m] for m in reader.modalities])
        if reads is None:
            return None
        return functools.reduce(torch.logical_or, [view.present[m] for m in reads])
