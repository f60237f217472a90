"""Mixtures of labelled and unlabelled samples, with guessed labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Unpack

import torch
from torch import Tensor, nn

from sennit.data.batch import Batch
from sennit.data.view import View
from sennit.tasks._base import Task, register_task
from sennit.tasks.consistency._mixing import (
    check_mixable_inputs,
    check_mixable_targets,
    joined,
    mixed_view,
    partners,
)
from sennit.tasks.contract.context import StepNetwork, TaskContext
from sennit.tasks.contract.lending import Lending
from sennit.tasks.contract.options import TaskOptions


class _Part(NamedTuple):
    """Rows of one batch that are mixed: labelled ones, or all those of the views.

    Attributes:
        place: Place of the batch in the step.
        labelled: Whether the rows are labelled ones.
        view: Inputs.
        rows: Sample of the batch that each row is of.
        target: Soft target of each row.
        counted: Mask of the rows that the task can read.
    """

    place: int
    labelled: bool
    view: View
    rows: Tensor
    target: Tensor
    counted: Tensor


@register_task("mixmatch")
class MixMatch(Task):
    """Samples mixed with one another, labelled or not; unlabelled ones by the label that views agree on.

    The guess q of an unlabelled sample is the mean of the task's soft targets over the sample's views,
    sharpened by the temperature T, without gradient. All labelled samples and all rows of the views are then
    mixed with partners drawn among them, inputs and targets alike, with the share ``max(λ, 1 − λ)``,
    λ ~ Beta(α, α) drawn for each row. The mixed labelled samples take the place of the labelled ones: they
    are the task's own loss, with soft targets. This task's loss is that of the mixed unlabelled rows,
    ``‖q − p‖²`` averaged over the classes, and its ``gradient_scale`` the paper's λ_U.

    A partner has the same modalities. A row keeps its length; steps and missing cells that its partner
    lacks, ids and category codes are not mixed. Other tasks learn from the samples as they were.
    Source: Berthelot et al. 2019, "MixMatch: A Holistic Approach to Semi-Supervised Learning" (eq. 2-13,
    algorithm 1). The paper's λ_U of 75 goes with a ramp over 16,000 steps.

    Args:
        of: Name of the task whose labels are guessed.
        views: Views of the unlabelled batches, weakly augmented; or one with several rows of a sample. Name
            the unlabelled loaders in ``loaders`` where labelled batches have these views too.
        temperature: Temperature T of the guesses.
        alpha: Parameter α of the shares.
        options: Options of every task; see `Task`.

    Shape:
        Outputs as those of the task ``of``, loss ``[R]`` for the R rows of the views.

    Raises:
        ValueError: Numbers out of range, or no view.
        TypeError: The task has no soft targets, or one for each token, or reads a modality that cannot be
            mixed.

    Example:
        >>> from sennit.ramp import Ramp
        >>> ramp = Ramp("linear", steps=16_000, end=75.0)
        >>> MixMatch(of="y", views=("weak",), loaders=("unlabelled",), gradient_scale=ramp).alpha
        0.75
    """

    kind = "mixmatch"
    target = None
    replaces: ClassVar[bool] = True

    def __init__(
        self,
        *,
        of: str,
        views: Sequence[str],
        temperature: float = 0.5,
        alpha: float = 0.75,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        if not 0 < temperature <= 1 or not 0 < alpha < math.inf or not views or isinstance(views, str):
            raise ValueError(
                f"`temperature` should be above 0 and at most 1, `alpha` above 0, and `views` a tuple of one "
                f"or more. Found {temperature}, {alpha} and {views!r}."
            )
        self.of, self.out_dim, self.views = of, 0, tuple(views)
        self.temperature, self.alpha = temperature, alpha

    def check(self, name: str, other: Task) -> None:
        check_mixable_targets(self.kind, name, other)

    def bind(self, name: str, model: nn.Module) -> None:
        assert isinstance(self.of, str)
        check_mixable_inputs(name, self.of, model)

    def views_of(self, name: str) -> tuple[str, ...]:
        """Return the view of mixed rows that the task makes, which is called after it."""
        return (name,)

    def render(self, name: str, batches: list[Batch], network: StepNetwork) -> list[Batch]:
        parts = [part for place, batch in enumerate(batches) for part in self._parts(place, batch, network)]
        if not parts:
            return batches
        whole, counted = joined([part.view for part in parts]), torch.cat([part.counted for part in parts])
        target = torch.cat([part.target for part in parts])
        drawn = torch.distributions.Beta(self.alpha, self.alpha).sample((len(counted),))
        share, partner = torch.maximum(drawn, 1 - drawn).to(counted.device), partners(whole, counted)
        mixed = mixed_view(whole, partner, share, network)
        target = self._lender(network).mix(target, target.index_select(0, partner), share)
        sizes = [len(part.rows) for part in parts]
        made, added, start = list(batches), [], 0
        for part, size in zip(parts, sizes, strict=True):
            rows = torch.arange(start, start + size, device=counted.device)
            view, start = mixed.select(rows), start + size
            if part.labelled:
                made[part.place] = self._without_labels(made[part.place], part.rows)
                added.append(self._labelled_batch(batches[part.place], view, target[rows]))
                continue
            values = {f"{name}/target": target[rows], f"{name}/counted": part.counted}
            view = view.replaced(rows=part.rows, drawn=values)
            made[part.place] = made[part.place].with_views(**{name: view})
        return [*made, *added]

    def _parts(self, place: int, batch: Batch, network: StepNetwork) -> list[_Part]:
        """Return the rows of a batch that are mixed."""
        assert isinstance(self.of, str)
        parts, lender, of = [], self._lender(network), self.of
        view = batch.as_view()
        if of in batch.targets and of not in batch.unlabelled and network.task(of).learns_from(batch):
            whole = (
                batch.labelled[of].flatten(1).all(1) if batch.labelled[of].dim() > 1 else batch.labelled[of]
            )
            rows = (whole & network.readable(of, view)).nonzero().squeeze(1)
            if len(rows):
                target = batch.targets[of].index_select(0, rows)
                target = lender.mix(target, target, target.new_ones(len(rows)))
                every = torch.ones_like(rows, dtype=torch.bool)
                parts.append(_Part(place, True, view.select(rows), rows, target, every))
        if self.learns_from(batch) and all(name in batch.views for name in self.views):
            parts.append(self._guessed(place, batch, network))
        return parts

    def _guessed(self, place: int, batch: Batch, network: StepNetwork) -> _Part:
        """Return the rows of the views, with the guess of their sample."""
        assert isinstance(self.of, str)
        views, of = [batch.views[name] for name in self.views], self.of
        lender, every = self._lender(network), torch.arange(batch.batch_size, device=_device(batch))
        rows = torch.cat([every if view.rows is None else view.rows for view in views])
        counted = torch.cat([network.readable(of, view) for view in views])
        with torch.no_grad():
            soft = torch.cat([lender.soft_target(network.outputs(view, (of,))[of]) for view in views])
        weight = counted.to(soft.dtype)
        count = weight.new_zeros(batch.batch_size).index_add(0, rows, weight).clamp(min=1)
        soft = soft * weight.reshape(-1, *[1] * (soft.dim() - 1))
        total = soft.new_zeros(batch.batch_size, *soft.shape[1:]).index_add(0, rows, soft)
        guess = lender.sharpen(total / count.reshape(-1, *[1] * (soft.dim() - 1)), self.temperature)
        return _Part(place, False, joined(views), rows, guess.index_select(0, rows), counted)

    def _without_labels(self, batch: Batch, rows: Tensor) -> Batch:
        """Return the batch in which the task has no label of the rows that were mixed."""
        assert isinstance(self.of, str)
        labelled = batch.labelled[self.of].index_fill(0, rows, False)
        none = frozenset() if bool(labelled.any()) else frozenset([self.of])
        return batch.replaced(
            labelled={**batch.labelled, self.of: labelled},
            all_labelled=False,
            unlabelled=batch.unlabelled | none,
        )

    def _labelled_batch(self, batch: Batch, view: View, target: Tensor) -> Batch:
        """Return mixed samples as a batch of their own, from which only the task ``of`` learns."""
        assert isinstance(self.of, str)
        every = torch.ones(len(target), dtype=torch.bool, device=target.device)
        return Batch(
            view.inputs,
            view.masks,
            view.present,
            view.all_present,
            targets={self.of: target},
            labelled={self.of: every},
            all_labelled=True,
            loader=batch.loader,
            tasks=frozenset([self.of]),
        )

    def _lender(self, network: StepNetwork) -> Lending:
        assert isinstance(self.of, str)
        lender: Lending = network.task(self.of)
        return lender

    def loss_from(self, context: TaskContext) -> tuple[Tensor, Tensor]:
        name, lender = context.name, context.lender
        assert isinstance(lender, Task)
        drawn, output = context.view(name).drawn, context.outputs[name]
        difference = lender.scores(output) - drawn[f"{name}/target"]
        return lender.sample_means(difference.square(), output), drawn[f"{name}/counted"]


def _device(batch: Batch) -> torch.device:
    return next(iter(batch.inputs.values())).device
