"""Hidden stretches of time."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("mask_spans")
class MaskSpans(Augmentation):
    """Hides random stretches of steps behind a value; which steps are hidden is drawn, for a task.

    Of the valid steps a share is hidden: each may begin a stretch, with a chance by which the expected share
    is the wanted one. Stretches may overlap.
    Source: the spans of Baevski et al. 2020, "wav2vec 2.0" (§3.1).

    Args:
        share: Expected share of the valid steps that is hidden.
        span: Number of steps of a stretch.
        value: Value in place of the hidden steps: of a series 0, of ids the id of a mask.

    Shape:
        x ``[B, T, ...]``, mask ``[B, T]``; drawn ``hidden [B, T]`` (True).

    Units:
        ``span`` in steps.

    Raises:
        ValueError: ``share`` is not from 0 to less than 1, or ``span`` is below 1.

    Example:
        >>> out = MaskSpans(share=0.5, span=4)(torch.ones(100, 50, 3))
        >>> round(float(out.drawn["hidden"].float().mean()), 1), bool((out.x[out.drawn["hidden"]] == 0).all())
        (0.5, True)
    """

    def __init__(self, *, share: float = 0.5, span: int = 4, value: float = 0.0) -> None:
        super().__init__()
        if not 0 <= share < 1 or span < 1:
            raise ValueError(
                f"`share` should be from 0 to less than 1, and `span` 1 or more. Found {share} and {span}."
            )
        self.share, self.span, self.value = share, span, value

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken = x.index_select(0, rows.to(x.device, non_blocking=True))
        steps = taken.shape[1]
        # A step is open if none of the `span` steps from which a stretch would cover it begins one; some of
        # these lie before the first step.
        begins = 1 - (1 - self.share) ** (1 / self.span)
        drawn = torch.rand(len(rows), steps + self.span - 1, generator=generator) < begins
        hidden = drawn.unfold(1, self.span, 1).any(2).to(x.device, non_blocking=True)
        if mask is not None:
            hidden = hidden & mask.index_select(0, rows.to(x.device, non_blocking=True))
        behind = hidden.reshape(*hidden.shape, *[1] * (taken.dim() - 2))
        return taken.masked_fill(behind, self.value), {"hidden": hidden}
