"""A different augmentation for each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment
from sennit.named_modules import NamedModules


@register_augment("one_of")
class OneOf(Augmentation):
    """Changes each sample by one augmentation drawn from several, or leaves it clean.

    Source: Snyder et al. 2018, "X-vectors: Robust DNN Embeddings for Speaker Recognition" (§3.3: babble,
    music, noise or reverberation).

    Args:
        parts: Augmentations by name.
        clean: Probability that a sample is not changed; the parts share the rest equally.

    Shape:
        x ``[B, ...]``, mask ``[B, T]``; drawn ``kind [B]``, the position in ``kinds``.

    Attributes:
        kinds: ``"clean"`` and the names of the parts.

    Raises:
        ValueError: ``parts`` is empty, ``clean`` is not from 0 to 1, or a part is called "clean".
        TypeError: A part changes the length of sequences, or is not a single change.

    Example:
        >>> from sennit.data.augment.waveform import Babble, RandomFilter
        >>> one_of = OneOf({"babble": Babble(), "channel": RandomFilter(8000)}, clean=0.5)
        >>> one_of.kinds, one_of(torch.randn(4, 800)).drawn["kind"].shape
        (('clean', 'babble', 'channel'), torch.Size([4]))
    """

    def __init__(self, parts: Mapping[str, Augmentation], *, clean: float) -> None:
        super().__init__()
        if not parts or "clean" in parts or not 0 <= clean <= 1:
            raise ValueError(
                f"`parts` should hold one or more, none of them called 'clean', and `clean` should be from "
                f"0 to 1. Found {list(parts)} and {clean}."
            )
        for name, part in parts.items():
            if not part.keeps_length or type(part).change is Augmentation.change:
                raise TypeError(
                    f"`parts` should keep the length of sequences and be single changes. Found "
                    f"{type(part).__name__} as '{name}'. Put it before or after, in a Chain."
                )
        self.parts, self.clean = NamedModules(parts), clean
        self.kinds: Sequence[str] = ("clean", *parts)

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        changes = torch.rand(len(rows), generator=generator) >= self.clean
        kind = torch.randint(1, len(self.kinds), (len(rows),), generator=generator) * changes
        out = x.index_select(0, rows.to(x.device, non_blocking=True))
        for i, part in enumerate(self.parts.values(), 1):
            chosen = (kind == i).nonzero().squeeze(1)
            if len(chosen):
                changed, _ = part.change(x, mask, rows[chosen], generator)
                out = out.index_copy(0, chosen.to(x.device, non_blocking=True), changed)
        return out, {"kind": kind.to(x.device, non_blocking=True)}
