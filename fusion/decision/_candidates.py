"""What decision fusions share: one candidate a modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from encoders._base import Encoder
from encoders.types import EncoderOutput
from fusion._base import Fusion, share_of_present
from fusion.types import FusionOutput


class CandidateFusion(Fusion):
    """Each modality is a candidate with heads of its own; a rule decides among their outputs.

    Where a modality is absent its candidate is left out; ``modality_weights`` are equal over the
    present ones. ``pooled`` is the mean of the present candidates.
    """

    stage = "decision"

    def __init__(self, encoders: Mapping[str, Encoder], *, embed_dim: int) -> None:
        super().__init__(encoders)
        self.embed_dim, self.candidates = embed_dim, len(encoders)
        self.project = nn.ModuleList([nn.Linear(e.embed_dim, embed_dim) for e in encoders.values()])

    def mapped(self, outputs: Mapping[str, EncoderOutput]) -> Tensor:
        """The pooled vectors, each through its linear map ``[B, M, embed_dim]``."""
        return torch.stack(
            [p(outputs[m].pooled) for m, p in zip(self.modalities, self.project, strict=True)], 1
        )

    def routes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((f"candidate {m}", (m,)) for m in self.modalities)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        candidates = self.mapped(outputs)
        weights = share_of_present(present, self.modalities, candidates)
        return FusionOutput(
            pooled=torch.einsum("bkd,bk->bd", candidates, weights),
            candidates=candidates,
            candidate_present=weights > 0,
            modality_weights=weights,
        )


class LearnedCandidateFusion(CandidateFusion):
    """The same under a rule with parameters, which is each task's own; so are the weights."""

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        return replace(super().forward(outputs, present), modality_weights=None)
