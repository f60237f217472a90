"""Encoders, a fusion, a sharing, tasks and a weighting, as one model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from encoders import Batch, Collate, Encoder, View
from encoders._named import NamedModules
from encoders._registry import unknown_name
from fusion import FusedEncoder, Fusion, FusionOutput, ModalityDropout
from fusion.fused_encoder import total_penalty
from fusion.levels import encode_by_level
from fusion.missing import SubsetLog
from fusion.types import AuxiliaryInfo
from tasks._base import Task
from tasks.reduce import Term, agree_on_active, labelled_mean
from tasks.sharing import Hard, Sharing
from tasks.types import TaskOutput
from tasks.weighting import Equal, Weighting

Batches = Batch | Mapping[str, Batch] | Sequence[Batch]


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


class MultiTaskModel(nn.Module):
    """Several inputs, several things to predict, one loss.

    Args:
        encoders: By modality; the order is kept.
        fusion: Made with these encoders.
        tasks: By name; the order is kept.
        sharing: What the tasks have in common; by default all but the heads.
        weighting: How their losses become one; by default their sum.
        modality_dropout: Probability of hiding each modality of a sample in training, never all.

    Raises:
        TypeError: Parts that cannot work together, named.
        ValueError: A task reads an unknown modality, or uses the head of an unknown task.

    Example:
        >>> from encoders import create_encoder; from fusion import create_fusion
        >>> from tasks import Classification, Regression
        >>> encoders = {"audio": create_encoder("mlp", 36), "motion": create_encoder("mlp", 16)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders,
        ...     fusion=create_fusion("gated", encoders),
        ...     tasks={"activity": Classification(7), "speed": Regression(reads=("audio",))},
        ... )
        >>> outputs = model({"audio": torch.randn(4, 36), "motion": torch.randn(4, 16)})
        >>> {task: tuple(out.logits.shape) for task, out in outputs.items()}
        {'activity': (4, 7), 'speed': (4, 1)}
    """

    def __init__(
        self,
        *,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        tasks: Mapping[str, Task],
        sharing: Sharing | None = None,
        weighting: Weighting | None = None,
        modality_dropout: float = 0.3,
    ) -> None:
        super().__init__()
        fused = FusedEncoder(encoders, fusion)
        self.tasks = NamedModules(tasks)
        self.with_head = tuple(name for name, task in tasks.items() if task.of is None)
        self.sharing = sharing or Hard()
        self.weighting = weighting or Equal()
        _check_tasks(tasks, fused, self.sharing)
        self.sharing.bind(self.with_head, fused.embed_dim, dict(fused.encoders.items()))
        self.weighting.bind(tasks)
        # One set of encoders for all tasks, or one for each.
        copies = len(self.with_head) - 1 if self.sharing.per_task_encoders else 0
        self.columns = nn.ModuleList([fused, *[copy.deepcopy(fused) for _ in range(copies)]])
        # What every step asks for, looked up once; a tuple is not registered as a second parent.
        self._first = (fused,)
        self._owner = {name: task.of or name for name, task in tasks.items()}
        self._reads = {name: tasks[owner].reads for name, owner in self._owner.items()}
        self._views = {name: task.views or ("",) for name, task in tasks.items()}
        self.modality_dropout = ModalityDropout(modality_dropout)
        self.subsets = SubsetLog(fused.modalities)
        candidates = len(fused.encoders) if fusion.stage == "decision" else 1
        self.heads = NamedModules(
            {
                t: nn.ModuleList([tasks[t].build_head(self.sharing.out_dim) for _ in range(candidates)])
                for t in self.with_head
            }
        )
        self.auxiliary_info = fused.auxiliary_info()
        self.auxiliary_heads = NamedModules(
            {t: _auxiliary_heads(tasks[t], self.auxiliary_info) for t in self.with_head}
        )

    @property
    def fused_encoder(self) -> FusedEncoder:
        """The encoders and the fusion (of the first task, where each has its own)."""
        return self._first[0]

    @property
    def collate(self) -> Collate:
        """Makes a `Batch` of a list of samples; give it to a DataLoader."""
        targets = {name: task.target for name, task in self.tasks.items() if task.target is not None}
        return Collate(self.fused_encoder.input_specs, targets)

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
        specs = self.fused_encoder.input_specs
        view.check_finite(frozenset(m for m, spec in specs.items() if spec.allows_nan))
        return view

    def features(self, view: View, tasks: Sequence[str] | None = None) -> Features:
        """Everything up to the point where the tasks part, for some tasks or all with heads."""
        self.fused_encoder.check(view)
        view = self.modality_dropout(view)
        self.subsets(view)
        by_task: dict[str, Tensor] = {}
        fused: dict[str, FusionOutput] = {}
        for group, out in self._fuse(view, self.with_head if tasks is None else tuple(tasks)):
            shared = self._share(out, tuple(self._owner[t] for t in group))
            for task in group:
                by_task[task], fused[task] = shared[self._owner[task]], out
        return Features(view, by_task, fused, {t: out.auxiliary for t, out in fused.items()})

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
            columns = [c for c in self.columns if isinstance(c, FusedEncoder)]
            encoded = encode_by_level(columns, view, self.sharing.exchange)
            for task in tasks:
                owner = self.with_head.index(self._owner[task])
                column, reads = columns[owner], self._reads[task]
                hidden = view if reads is None else view.restrict(reads)
                yield (task,), column.fuse(encoded[owner], column.presence(hidden))
            return
        column, outputs = self.fused_encoder, None
        groups: dict[tuple[str, ...] | None, list[str]] = {}
        for task in tasks:
            groups.setdefault(self._reads[task], []).append(task)
        for reads, members in groups.items():
            group = tuple(members)
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
        rule = self.fused_encoder.fusion.rule
        outputs = {}
        for name in tasks:
            owner, x = self._owner[name], features.by_task[name]
            auxiliary = {}
            if features.auxiliary[name]:
                own = self.auxiliary_heads[owner]
                auxiliary = {m: own[m](v) for m, v in features.auxiliary[name].items() if m in own}
            heads, present = self.heads[owner], features.fused[name].candidate_present
            if rule is None or present is None:
                outputs[name] = TaskOutput(heads[0](x), auxiliary=auxiliary)
                continue
            candidates = torch.stack([head(x[:, k]) for k, head in enumerate(heads)], 1)
            log_p = self.tasks[owner].log_probabilities(candidates)
            if log_p is None:
                share = present.to(candidates.dtype) / present.sum(1, keepdim=True)
                logits = torch.einsum("bk...,bk->b...", candidates, share)
            else:
                logits = -rule.cost(log_p, present)
            outputs[name] = TaskOutput(logits, candidates, present, auxiliary)
        return outputs

    def loss(self, batch: Batches) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, or of several (labelled, unlabelled) together.

        Returns:
            The weighted loss, and its parts, detached: the loss of each task that is active (has a
            label somewhere in the batch), the total, and ``penalty`` where there is one.

        Raises:
            ValueError: No task has anything to learn from the batch.
        """
        batches = as_batches(batch)
        active = self.active(batches)
        features = [self.training_features(b, active) for b in batches]
        losses = self.task_losses(batches, features, active)
        return self.total(losses, active, features)

    def total(
        self, losses: Tensor, active: tuple[bool, ...], features: Sequence[Mapping[str, Features]]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss with its penalties, and the parts of it."""
        loss = self.weighting(losses, active)
        values = losses.detach().unbind()
        parts = {t: value for t, value, on in zip(self.tasks, values, active, strict=True) if on}
        penalty = self.penalty(features)
        if penalty is not None:
            loss, parts["penalty"] = loss + penalty, penalty.detach()
        parts["loss"] = loss.detach()
        return loss, parts

    def penalty(self, features: Sequence[Mapping[str, Features]]) -> Tensor | None:
        """What the fusion and the sharing add to the loss; None where they add nothing."""
        outputs = {
            id(o): o for views in features for f in views.values() for o in f.fused.values() if o.losses
        }
        own, shared = total_penalty(list(outputs.values())), self.sharing.penalty()
        if own is None or shared is None:
            return own if shared is None else shared
        return own + shared

    def active(self, batches: Sequence[Batch]) -> tuple[bool, ...]:
        """Which tasks have something to learn from in these batches (on any rank)."""
        flags = [
            any(
                all(v in b.views for v in task.views)
                if task.views
                else t in b.targets and t not in b.unlabelled
                for b in batches
            )
            for t, task in self.tasks.items()
        ]
        device = next(iter(batches[0].inputs.values())).device
        active = agree_on_active(flags, device)
        if not any(active):
            raise ValueError(
                f"the batch should have a label (or the views) of at least one of the tasks "
                f"{list(self.tasks)}. Found targets {sorted({t for b in batches for t in b.targets})} "
                f"without a label, and views {sorted({v for b in batches for v in b.views})}."
            )
        return active

    def training_features(self, batch: Batch, active: Sequence[bool]) -> dict[str, Features]:
        """The features of each view of a batch that an active task reads; "" is the batch itself."""
        for name in batch.targets:
            if name not in self._owner:
                raise unknown_name("task in `targets`", name, self._owner)
        wanted: dict[str, list[str]] = {}
        # A rank without a label takes part all the same where another has one.
        skipped = frozenset() if dist.is_initialized() else batch.unlabelled
        for name, on in zip(self._owner, active, strict=True):
            for view in self._views[name] if on else ():
                if view in batch.views if view else name in batch.targets and name not in skipped:
                    wanted.setdefault(view, []).append(name)
        return {v: self.features(batch.views[v] if v else batch, tasks) for v, tasks in wanted.items()}

    def task_losses(
        self,
        batches: Sequence[Batch],
        features: Sequence[Mapping[str, Features]],
        active: Sequence[bool],
    ) -> Tensor:
        """The loss of each task over its labelled samples ``[K]``; zero for inactive ones."""
        outputs = [{v: self.decode(f, tuple(f.by_task)) for v, f in views.items()} for views in features]
        losses: list[Tensor | None] = []
        for (name, task), on in zip(self.tasks.items(), active, strict=True):
            terms: dict[str, list[Term]] = {}
            if on:
                for batch, views, out in zip(batches, features, outputs, strict=True):
                    if task.views:
                        if all(v in out for v in task.views):
                            terms.setdefault("", []).append(self._unlabelled_loss(name, task, views, out))
                    elif "" in out and name in out[""]:
                        self._labelled_losses(name, task, batch, views[""], out[""][name], terms)
            loss = None
            for part, found in terms.items():
                mean = labelled_mean([v for v, _ in found], [known for _, known in found])
                mean = mean if part == "" else self.auxiliary_info[part].weight * mean
                loss = mean if loss is None else loss + mean
            losses.append(loss)
        device = next(iter(batches[0].inputs.values())).device
        return torch.stack([torch.zeros((), device=device) if x is None else x for x in losses])

    def _labelled_losses(
        self,
        name: str,
        task: Task,
        batch: Batch,
        features: Features,
        out: TaskOutput,
        terms: dict[str, list[Term]],
    ) -> None:
        """Add the losses of the task's heads: the main one's under "", auxiliary ones' under their names."""
        target = batch.targets[name]
        known = None if batch.all_labelled else batch.labelled[name]
        known = _both(known, self.readable(name, features.view))
        if out.candidates is not None and task.log_probabilities(out.candidates) is not None:
            loss = task.expected_cost(-out.logits, target)
        else:
            loss = task.loss(out.logits, target)
        terms.setdefault("", []).append((loss, known))
        there = features.fused[name].auxiliary_present
        for part, logits in out.auxiliary.items():
            terms.setdefault(part, []).append((task.loss(logits, target), _both(known, there.get(part))))

    def _unlabelled_loss(
        self,
        name: str,
        task: Task,
        views: Mapping[str, Features],
        out: Mapping[str, Mapping[str, TaskOutput]],
    ) -> Term:
        known = None
        for v in task.views:
            known = _both(known, self.readable(name, views[v].view))
        return task.agreement(*[out[v][name].logits for v in task.views]), known

    def readable(self, task: str, view: View) -> Tensor | None:
        """Which samples have a modality that the task reads ``[B]``; None when all have."""
        reads = self._reads[task]
        if reads is None or view.all_present:
            return None
        readable = view.present[reads[0]]
        for m in reads[1:]:
            readable = readable | view.present[m]
        return readable

    def fit_preprocessing(self, view: View) -> None:
        """Give the encoders the training data's means and scales, where they use any.

        Args:
            view: The training inputs; what is absent is left out.
        """
        for column in self.columns:
            assert isinstance(column, FusedEncoder)
            for name, encoder in column.leaves().items():
                rows, mask = view.present[name], view.masks.get(name)
                encoder.fit(view.inputs[name][rows], None if mask is None else mask[rows])

    @torch.no_grad()
    def predict(self, samples: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
        """Plain answers for raw samples ``{modality: raw value}``; a modality may be left out.

        Returns:
            ``{task: answer}`` for one sample, a list of them for a list.
        """
        if isinstance(samples, Mapping):
            return self.predict([samples])[0]
        leaves = self.fused_encoder.leaves()
        raw = [
            {"inputs": {m: _leaf(leaves, m).preprocess(x) for m, x in s.items() if x is not None}}
            for s in samples
        ]
        training = [module for module in self.modules() if module.training]
        self.eval()
        outputs = self(self.collate(raw).to(next(self.parameters()).device))
        for module in training:  # one by one: a frozen part was not in training
            module.training = True
        answers = {t: self.tasks[t].predict(out.logits) for t, out in outputs.items()}
        return [{t: answers[t][i] for t in answers} for i in range(len(samples))]

    @property
    def config(self) -> dict[str, Any]:
        """All that is needed to make the model again, in plain JSON values; orders are lists."""
        return {
            **self.fused_encoder.config,
            "name": "multi_task_model",
            "tasks": [[name, task.config] for name, task in self.tasks.items()],
            "sharing": self.sharing.config,
            "weighting": self.weighting.config,
            "modality_dropout": self.modality_dropout.p,
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config, weights and what the encoders need to read raw samples; see `tasks.saving`."""
        from tasks.saving import save

        save(self, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> MultiTaskModel:
        """Read what `save_pretrained` wrote, from a folder or a repository of the Hugging Face hub."""
        from tasks.saving import load

        return load(folder)


def as_batches(batch: Batches) -> list[Batch]:
    """One batch, several by loader, or several in a row, as a list."""
    if isinstance(batch, Batch):
        return [batch]
    return list(batch.values() if isinstance(batch, Mapping) else batch)


def _both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b.reshape(-1, *[1] * (a.dim() - 1))


def _leaf(leaves: Mapping[str, Encoder], name: str) -> Encoder:
    if name not in leaves:
        raise unknown_name("modality", name, leaves)
    return leaves[name]


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
        if task.reads is not None and sharing.per_task_encoders and fused.fusion.exchanges:
            raise TypeError(
                f"task '{name}' reads {task.reads} alone, which fusion '{fused.fusion.registry_name}' "
                f"with sharing '{sharing.registry_name}' cannot keep apart. Choose another of the two."
            )
