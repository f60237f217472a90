"""Modality dropout of candidates, drawn for all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from sennit.data.random_state import keyed_random_state
from sennit.fusion import ModalityDropout
from sennit.fusion.intermediate.cells import Taps
from sennit.search.batched.candidate import Present


def hide_modalities(present: Present, taps: Taps, rate: float, *, key: Sequence[int]) -> dict[str, Tensor]:
    """Return the present masks of a training step with some modalities of samples hidden, never all.

    Args:
        present: Present mask of each modality; None when all samples have all.
        taps: Taps of the batch, of every modality.
        rate: Probability for each modality of each sample.
        key: Key of the draw, so that a resumed training draws the same.

    Shape:
        ``[B]`` each.

    Example:
        >>> taps = {m: {"pooled": torch.zeros(500, 2)} for m in "ab"}
        >>> masks = hide_modalities(None, taps, 0.5, key=[0, 1])
        >>> bool((masks["a"] | masks["b"]).all()), bool(masks["a"].all())
        (True, False)
    """
    example = _first(tap for of_modality in taps.values() for tap in of_modality.values())
    always = torch.ones(len(example), dtype=torch.bool)
    masks = torch.stack([always if present is None else present[m].cpu() for m in taps], 1)
    with keyed_random_state(tuple(key)):
        kept = ModalityDropout(rate).draw(masks, rate)
    return dict(zip(taps, kept.to(example.device).unbind(1), strict=True))


def _first(tensors: Iterable[Tensor]) -> Tensor:
    return next(iter(tensors))
