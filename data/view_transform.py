"""Views of a batch, made by augmentation in the workers of a loader."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from sennit.data.augment import Augmentation, Augmented
from sennit.data.batch import Batch
from sennit.data.view import View
from sennit.registry import check_names


class ViewTransform:
    """Another rendering of each sample: an augmentation of some modalities, a subset of them, several copies.

    What an augmentation draws for each row is in the view as ``"<modality>/<name>"``, and may be the target
    of a task: ``Classification(4, view="rotated", drawn="image/rotation")``. Rows without a modality are not
    augmented in it.

    Args:
        augment: Augmentation of each modality that is changed.
        only: Modalities of the view; the others are hidden in it. None: all.
        copies: Number of rows of each sample, each augmented anew. With several, a row says in ``rows`` of
            which sample it is.
        presence: What modality dropout hides in the view: ``"shared"``, what it hides in the batch, or
            ``"drawn"``, a draw of its own.

    Raises:
        ValueError: Fewer than one copy, or an unknown presence or modality.

    Example:
        >>> from sennit.data.augment import Rotation
        >>> batch = Batch.of({"image": torch.rand(2, 1, 4, 4), "table": torch.rand(2, 3)})
        >>> view = ViewTransform({"image": Rotation()}, only=("image",), copies=2)(batch)
        >>> view.rows.tolist(), view.drawn["image/rotation"].shape, view.present["table"].any().item()
        ([0, 0, 1, 1], torch.Size([4]), False)
    """

    def __init__(
        self,
        augment: Mapping[str, Augmentation] | None = None,
        *,
        only: Sequence[str] | None = None,
        copies: int = 1,
        presence: Literal["shared", "drawn"] = "shared",
    ) -> None:
        check_names("presence of a view", [presence], ("shared", "drawn"))
        if copies < 1:
            raise ValueError(f"`copies` should be 1 or more. Found {copies}.")
        self.augment, self.copies = dict(augment or {}), copies
        self.only = None if only is None else tuple(only)
        self.presence = presence

    def __call__(self, view: View, *, generator: Generator | None = None) -> View:
        """Return a view of a batch, or of another view.

        Args:
            view: Batch, or view with a row for each of its samples.
            generator: Random generator on the CPU; the process's own when None, which a `ResumableLoader`
                seeds for each batch.
        """
        check_names("modality of `augment`", self.augment, view.inputs)
        view = view.as_view() if isinstance(view, Batch) else view
        if self.only is not None:
            view = view.restrict(self.only)
        if self.copies > 1:
            rows = torch.arange(view.batch_size).repeat_interleave(self.copies)
            view = view.select(rows).replaced(rows=rows)
        inputs, masks, drawn = dict(view.inputs), dict(view.masks), dict(view.drawn)
        for modality, augmentation in self.augment.items():
            out = _augmented(augmentation, view, modality, generator)
            inputs[modality] = out.x
            if out.mask is not None:
                masks[modality] = out.mask
            drawn |= {f"{modality}/{name}": values for name, values in out.drawn.items()}
        shares = self.presence == "shared"
        return view.replaced(inputs=inputs, masks=masks, drawn=drawn, shares_presence=shares)


class Views:
    """Adds views to the batches of a loader: as its ``collate_fn``, or as a dataset's ``transform``.

    All views are made of the batch as it came. One called "" takes the place of the batch itself, so that
    labelled samples can pass the weak augmentation too: otherwise a model may tell them from unlabelled ones
    by their noise.

    Args:
        views: Transform of each view.
        collate: Function that makes a batch of samples first, such as ``model.collate``; None where batches
            come already.

    Raises:
        ValueError: The view "" has several copies, which targets do not have.

    Example:
        >>> from sennit.data.augment import GaussianNoise
        >>> weak, strong = (ViewTransform({"x": GaussianNoise(std=std)}) for std in (0.1, 1.0))
        >>> views = Views({"": weak, "weak": weak, "strong": strong})
        >>> sorted(views(Batch.of({"x": torch.zeros(4, 3)})).views)
        ['strong', 'weak']
    """

    def __init__(
        self, views: Mapping[str, ViewTransform], collate: Callable[[Any], Batch] | None = None
    ) -> None:
        self.views, self.collate = dict(views), collate
        if "" in self.views and self.views[""].copies > 1:
            raise ValueError(f"`copies` of the view '' should be 1. Found {self.views[''].copies}.")

    def __call__(self, data: Any) -> Batch:
        """Return a batch, from one or from samples, with the views beside it."""
        batch: Batch = data if self.collate is None else self.collate(data)
        made = {name: transform(batch) for name, transform in self.views.items()}
        replacement = made.pop("", None)
        if replacement is not None:
            names = ("inputs", "masks", "present", "all_present", "drawn")
            batch = batch.replaced(**{name: getattr(replacement, name) for name in names})
        return batch.with_views(**made)


def _augmented(
    augmentation: Augmentation, view: View, modality: str, generator: Generator | None
) -> Augmented:
    """Augment the rows that have a modality."""
    x, mask, present = view.inputs[modality], view.masks.get(modality), view.present[modality]
    if view.all_present or bool(present.all()):
        out: Augmented = augmentation(x, mask, generator=generator)
        return out
    rows = present.nonzero().squeeze(1)
    if len(rows) == 0:  # what an augmentation draws has a name and a shape all the same
        x, rows = torch.zeros_like(x), torch.zeros(1, dtype=torch.long)
    out = augmentation(
        x.index_select(0, rows), None if mask is None else mask.index_select(0, rows), generator=generator
    )

    def laid(values: Tensor) -> Tensor:
        return values.new_zeros(len(x), *values.shape[1:]).index_copy(0, rows, values)

    return Augmented(
        laid(out.x),
        None if out.mask is None else laid(out.mask),
        {name: laid(values) for name, values in out.drawn.items()},
    )
