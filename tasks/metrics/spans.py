"""Spans of tags that begin with B- and continue with I-: where they are, in whole batches at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

OUTSIDE = -1
"""Kind of a tag that is of no span."""


class TagKinds(NamedTuple):
    """The kind of span of each class, and whether it begins one.

    Attributes:
        kind: Number of the kind of span ("NP") of each class, `OUTSIDE` for O.
        begins: Whether the class begins a span.

    Shape:
        both ``[C]``.
    """

    kind: Tensor
    begins: Tensor


def tag_kinds(classes: Sequence[str]) -> TagKinds | None:
    """Return the kinds of classes named ``O``, ``B-<kind>`` and ``I-<kind>``; None if any is named otherwise.

    Example:
        >>> tag_kinds(["O", "B-NP", "I-NP", "B-VP"]).kind.tolist(), tag_kinds(["NN", "VB"])
        ([-1, 0, 0, 1], None)
    """
    parts = [("O", "") if name == "O" else tuple(name.split("-", 1)) for name in classes]
    if not all(len(part) == 2 and part[0] in ("O", "B", "I") for part in parts):
        return None
    if not any(prefix == "B" for prefix, _ in parts):
        return None
    kinds = list(dict.fromkeys(kind for prefix, kind in parts if prefix != "O"))
    return TagKinds(
        torch.tensor([OUTSIDE if prefix == "O" else kinds.index(kind) for prefix, kind in parts]),
        torch.tensor([prefix == "B" for prefix, _ in parts]),
    )


def span_ends(tags: Tensor, valid: Tensor, kinds: TagKinds) -> Tensor:
    """Return the last place of the span that begins at each place; -1 where none does.

    A span begins with B- and continues over I- of its kind (IOB2). An I- behind another tag than those of its
    kind is of no span. Places that are not valid are passed over.

    Shape:
        tags and valid ``[B, T]``, the valid places first; result ``[B, T]``.

    Example:
        >>> kinds = tag_kinds(["O", "B-NP", "I-NP"])
        >>> span_ends(torch.tensor([[2, 1, 2, 1, 0]]), torch.ones(1, 5, dtype=torch.bool), kinds).tolist()
        [[-1, 2, -1, 3, -1]]
    """
    kind = kinds.kind.to(tags.device)[tags].masked_fill(~valid, OUTSIDE)
    begins = kinds.begins.to(tags.device)[tags] & valid
    before = torch.cat([torch.full_like(kind[:, :1], OUTSIDE), kind[:, :-1]], 1)
    broken = begins | (kind != before) | (kind == OUTSIDE)  # a run of one kind ends in front of this place
    place = torch.arange(tags.shape[1], device=tags.device).expand(tags.shape)
    # The next break at or behind each place, and thereby behind the place before.
    following = torch.where(broken, place, tags.shape[1]).flip(1).cummin(1).values.flip(1)
    next_break = torch.cat([following[:, 1:], torch.full_like(following[:, :1], tags.shape[1])], 1)
    return torch.where(begins, next_break - 1, -1)


def packed(valid: Tensor, *tensors: Tensor) -> list[Tensor]:
    """Return tensors with the valid places of each row moved to its start, in their order, and ``valid`` too.

    Shape:
        all ``[B, T]``.
    """
    order = (~valid).to(torch.uint8).argsort(dim=1, stable=True)
    return [x.gather(1, order) for x in (valid, *tensors)]
