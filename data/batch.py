"""A batch of samples of which any modality and any target may be missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from torch import Tensor

from sennit.data.validation import label_flags, labels_of, validate
from sennit.data.view import View, filled


@dataclass(frozen=True)
class Batch(View):
    """A `View` with targets, labels and other renderings: the unit that a loader yields.

    `Batch.of` makes one and checks it; the constructor checks nothing.

    Attributes:
        targets: One tensor ``[B, ...]`` for each task; zero where there is no label.
        labelled: Whether there is a label (True), bool of shape ``[B]`` or the target's.
        views: Other renderings of the same samples (augmented, a modality dropped).
        all_labelled: Set on the CPU when every label is known.
        unlabelled: Tasks without a single label in this batch; set on the CPU.
        loader: Name of the loader in a step of several.
        tasks: Tasks that may learn from it; None for all.
        gradient_shares: Factor on the gradient of each task, where several batches make an optimizer step.

    Example:
        >>> import torch
        >>> batch = Batch.of({"x": torch.randn(2, 3)}, targets={"y": torch.tensor([0, 1])})
        >>> batch.all_labelled, batch.select(torch.tensor([1])).targets["y"].tolist()
        (True, [1])
    """

    targets: Mapping[str, Tensor] = field(default_factory=dict)
    labelled: Mapping[str, Tensor] = field(default_factory=dict)
    views: Mapping[str, View] = field(default_factory=dict)
    all_labelled: bool = False
    unlabelled: frozenset[str] = frozenset()
    loader: str = ""
    tasks: frozenset[str] | None = None
    gradient_shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        inputs: Mapping[str, Tensor],
        *,
        masks: Mapping[str, Tensor] | None = None,
        present: Mapping[str, Tensor] | None = None,
        index: Tensor | None = None,
        targets: Mapping[str, Tensor] | None = None,
        labelled: Mapping[str, Tensor] | None = None,
        views: Mapping[str, View] | None = None,
    ) -> Self:
        """Build from tensors; a target without an entry in ``labelled`` is labelled wherever it is not NaN.

        Targets become zero where there is no label, so that the values given there reach no loss.

        Raises:
            ValueError: Sizes or names disagree, a sample has no modality at all (its index is named), or a
                label is infinite.
        """
        masks, present, targets, labelled = masks or {}, present or {}, targets or {}, labelled or {}
        validate(inputs, masks, present, index=index, targets=targets, labelled=labelled)
        present = filled(present, inputs)
        flags = filled(labelled, targets)
        labelled = {task: labels_of(task, target, flags[task]) for task, target in targets.items()}
        batch = cls(
            inputs=inputs,
            masks=masks,
            present=present,
            all_present=all(bool(p.all()) for p in present.values()),
            index=index,
            targets={task: _blanked(target, labelled[task]) for task, target in targets.items()},
            labelled=labelled,
            **label_flags(labelled),
        )
        return batch.with_views(**views) if views else batch

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a Batch is not a sequence; read `.inputs`, `.targets` or `.select(rows)`.")

    def select(self, rows: Tensor) -> Self:
        """Return the samples at ``rows``, in that order (an index tensor, on the same device)."""
        chosen = super(Batch, self.replaced(views={})).select(rows)
        views = {name: _select(view, rows) for name, view in self.views.items()}
        return chosen.replaced(views=views, **({} if self.all_labelled else label_flags(chosen.labelled)))

    def as_view(self) -> View:
        """Return what the batch itself renders, without targets and other views."""
        return View(**{f.name: getattr(self, f.name) for f in fields(View)})

    def with_views(self, **views: View) -> Self:
        """Return the same batch with other renderings beside it.

        Raises:
            ValueError: A view has another number of samples, or rows of samples that the batch lacks.
        """
        for name, view in views.items():
            rows = self.batch_size if view.rows is None else len(view.rows)
            if view.batch_size != rows:
                raise ValueError(f"`views['{name}']` should hold {rows} samples. Found {view.batch_size}.")
            if (
                view.rows is not None
                and rows
                and not 0 <= int(view.rows.min()) <= int(view.rows.max()) < (self.batch_size)
            ):
                raise ValueError(
                    f"`rows` of view '{name}' should be from 0 to {self.batch_size - 1}. Found "
                    f"{int(view.rows.min())} to {int(view.rows.max())}."
                )
        return self.replaced(views={**self.views, **views})


def _select(view: View, rows: Tensor) -> View:
    """Return the rows of a view that are of the chosen samples."""
    if view.rows is None:
        return view.select(rows)
    sample, row = (view.rows.unsqueeze(0) == rows.unsqueeze(1)).nonzero(as_tuple=True)
    return view.select(row).replaced(rows=sample)


def _blanked(target: Tensor, labelled: Tensor) -> Tensor:
    if bool(labelled.all()):
        return target
    return target.masked_fill(~labelled.reshape(*labelled.shape, *[1] * (target.dim() - labelled.dim())), 0)
