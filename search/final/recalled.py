"""Frozen encoders whose outputs are looked up in caches of their taps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset, InputSpec
from sennit.encoders import Encoder
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.fusion.cell.genome import EMBEDDING
from sennit.search.taps.tap_cache import TapCache


class Recalled(Encoder):
    """Looks up the taps of a frozen encoder, for samples given as the numbers of a cache and of a row.

    Args:
        caches: Taps by name, of each cache; the embedding is ``"pooled"``.

    Shape:
        ``forward(places [B, 2])``, whole numbers.
    """

    _not_config: ClassVar[tuple[str, ...]] = ("caches",)

    def __init__(self, caches: Sequence[Mapping[str, Tensor]]) -> None:
        super().__init__()
        self.caches = [dict(taps) for taps in caches]
        self.input_spec = InputSpec((2,), dtype=torch.int64)
        self.embed_dim = caches[0][EMBEDDING].shape[1]
        self.tap_info = tuple(
            TapInfo(name, tap.shape[1], "BC") for name, tap in caches[0].items() if name != EMBEDDING
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        device, (cache, rows) = x.device, x.cpu().unbind(1)
        # Absent rows are zeros, of the first cache; a batch is of one cache.
        taps = self.caches[int(cache.max())]
        outputs = {name: tap.index_select(0, rows).to(device) for name, tap in taps.items()}
        return EncoderOutput(outputs.pop(EMBEDDING), None, None, outputs)


def recalled_encoders(caches: Sequence[TapCache]) -> dict[str, Encoder]:
    """Return an encoder for each modality that looks its pooled taps up in some caches."""

    def pooled(taps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tap for name, tap in taps.items() if not name.endswith(":places")}

    return {m: Recalled([pooled(cache.taps[m]) for cache in caches]) for m in caches[0].taps}


def places(cache: TapCache, number: int) -> BatchDataset:
    """Return the rows of a cache as samples for `recalled_encoders`, with present masks and targets.

    Args:
        cache: Cache of taps.
        number: Its number among the caches of the encoders.
    """
    rows = torch.arange(len(cache))
    where = torch.stack([torch.full_like(rows, number), rows], 1)
    present = None if cache.present is None else {m: mask.clone() for m, mask in cache.present.items()}
    return BatchDataset(
        Batch.of(
            dict.fromkeys(cache.taps, where),
            present=present,
            targets={task: target.clone() for task, target in cache.targets.items()},
            labelled={task: mask.clone() for task, mask in cache.labelled.items()},
        )
    )
