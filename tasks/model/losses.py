"""What the network learns from: the losses of the tasks, and one loss of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from sennit.data import Batch
from sennit.fusion.types import total_penalty
from sennit.tasks._base import Task
from sennit.tasks.model.gradient_conflicts import loss_weights
from sennit.tasks.model.labelled_mean import Term, agree_on_active, labelled_mean
from sennit.tasks.model.network import Features, Network
from sennit.tasks.model.types import TaskOutput
from torch import Tensor
from torch import distributed as dist

from sennit.registry import unknown_name

Batches = Batch | Mapping[str, Batch] | Sequence[Batch]


class LossNetwork(Network):
    """A network with its losses; see `sennit.tasks.MultiTaskModel`."""

    def loss(self, batch: Batches, *, watch: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, or of several (labelled, unlabelled) together.

        Args:
            batch: One, or several by name or in a row.
            watch: Whether the parts should hold ``weighting/<task>`` too: by how much the weighting
                multiplies the gradient of each active task. Needs gradients.

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
        return self.total(losses, active, features, watch=watch)

    def total(
        self,
        losses: Tensor,
        active: tuple[bool, ...],
        features: Sequence[Mapping[str, Features]],
        *,
        watch: bool = False,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss with its penalties, and the parts of it."""
        loss = self.weighted(losses, active, features)
        values = losses.detach().unbind()
        parts = {t: value for t, value, on in zip(self.tasks, values, active, strict=True) if on}
        watched = self.watched(loss_weights(loss, losses), active) if watch else {}
        penalty = self.penalty(features)
        if penalty is not None:
            loss, parts["penalty"] = loss + penalty, penalty.detach()
        parts["loss"] = loss.detach()
        return loss, parts | watched

    def watched(self, weights: Tensor, active: Sequence[bool]) -> dict[str, Tensor]:
        """What parts have of the weights ``[K]`` that a weighting gave to the tasks."""
        own = zip(self.tasks, weights.unbind(), active, strict=True)
        return {f"weighting/{t}": w for t, w, on in own if on}

    def weighted(
        self, losses: Tensor, active: Sequence[bool], features: Sequence[Mapping[str, Features]]
    ) -> Tensor:
        """The losses as one; a weighting that asks for it also looks at what the heads read."""
        loss: Tensor = self.weighting(losses, active)
        if self.weighting.reads_boundary and self.training and torch.is_grad_enabled():
            seen = [f for views in features for f in views.values()]
            read = [
                [f.by_task[t] for f in seen if t in f.by_task]
                + [x for f in seen for x in f.auxiliary.get(t, {}).values()]
                for t in self.tasks
            ]
            self.weighting.at_boundary(losses, active, read)
        return loss

    def penalty(self, features: Sequence[Mapping[str, Features]]) -> Tensor | None:
        """What the fusion and the sharing add to the loss; None where they add nothing."""
        outputs = [o for views in features for f in views.values() for o in f.fused.values() if o.losses]
        by_head = [
            {self._owner[t]: x for t, x in f.by_task.items()} for views in features for f in views.values()
        ]
        shared = self.sharing.penalty_of(by_head)
        if not outputs:
            return shared
        own = total_penalty(list({id(o): o for o in outputs}.values()))  # tasks may share an output
        return own if shared is None else own + shared

    def active(self, batches: Sequence[Batch]) -> tuple[bool, ...]:
        """Which tasks have something to learn from in these batches (on any rank)."""
        flags = []
        for name, views in self._views.items():
            on = False
            for b in batches:
                here = name in b.targets and name not in b.unlabelled
                on = on or (here if views == ("",) else b.views.keys() >= set(views))
            flags.append(on)
        active = tuple(flags)
        if dist.is_initialized():
            active = agree_on_active(flags, next(iter(batches[0].inputs.values())).device)
        if not any(active):
            raise ValueError(
                f"the batch should have a label (or the views) of at least one of the tasks "
                f"{list(self.tasks)}. Found targets {sorted({t for b in batches for t in b.targets})} "
                f"without a label, and views {sorted({v for b in batches for v in b.views})}."
            )
        return active

    def training_features(self, batch: Batch, active: Sequence[bool]) -> dict[str, Features]:
        """The features of each view of a batch that an active task reads; "" is the batch itself."""
        for name, target in batch.targets.items():
            if name not in self._targets:
                raise unknown_name("task in `targets`", name, self._targets)
            self._targets[name].check(name, target)
        wanted: dict[str, list[str]] = {}
        # A rank without a label takes part all the same where another has one.
        skipped = batch.unlabelled if batch.unlabelled and not dist.is_initialized() else frozenset()
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
            losses.append(self._joined(terms) if terms else None)
        return torch.stack([_zero(batches[0]) if x is None else x for x in losses])

    def sample_losses(
        self, name: str, batch: Batch, features: Features, out: TaskOutput
    ) -> tuple[Tensor, Tensor]:
        """A labelled task's loss for each sample, and which samples have a label ``[B]``; zero for others.

        Where entries of a target are labelled each for itself, the mean over those that are.
        """
        terms: dict[str, list[Term]] = {}
        self._labelled_losses(name, self.tasks[name], batch, features, out, terms)
        ((loss, known),) = terms[""]
        known = torch.ones_like(loss, dtype=torch.bool) if known is None else known
        known = (
            known.reshape(*known.shape, *[1] * (loss.dim() - known.dim()))
            .expand_as(loss)
            .reshape(len(loss), -1)
        )
        counts = known.sum(1)
        loss = loss.reshape(len(loss), -1).masked_fill(~known, 0).sum(1) / counts.clamp(min=1)
        return loss, counts > 0

    def _joined(self, terms: Mapping[str, Sequence[Term]]) -> Tensor:
        """A task's loss: the main head's, and those of auxiliary heads by their weights."""
        joined = None
        for part, found in terms.items():
            mean = labelled_mean([v for v, _ in found], [known for _, known in found])
            mean = mean if part == "" else self.auxiliary_info[part].weight * mean
            joined = mean if joined is None else joined + mean
        assert joined is not None
        return joined

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
        if out.cost is None:
            loss = _own_loss(task, out.logits, target, known)
        else:
            loss = task.expected_cost(out.cost, target)
        terms.setdefault("", []).append((loss, known))
        there = features.fused[name].auxiliary_present
        for part, logits in out.auxiliary.items():
            counts = _both(known, there.get(part))
            terms.setdefault(part, []).append((_own_loss(task, logits, target, counts), counts))

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


def _own_loss(task: Task, output: Tensor, target: Tensor, known: Tensor | None) -> Tensor:
    """The loss of each sample; a task that compares samples is given those that count, and no others."""
    if known is None or not task.batchwise:
        return task.loss(output, target)
    rows = known.nonzero().squeeze(1)
    own = task.loss(output[rows], target[rows])
    return own.new_zeros(len(output)).index_copy(0, rows, own)


def as_batches(batch: Batches) -> list[Batch]:
    """One batch, several by loader, or several in a row, as a list."""
    if isinstance(batch, Batch):
        return [batch]
    return list(batch.values() if isinstance(batch, Mapping) else batch)


def _zero(batch: Batch) -> Tensor:
    return torch.zeros((), device=next(iter(batch.inputs.values())).device)


def _both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b.reshape(-1, *[1] * (a.dim() - 1))
