"""What decision fusions share: one candidate a modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from sennit.encoders.types import EncoderOutput
from sennit.fusion._projected_base import ProjectedFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import uniform_weights
from sennit.fusion.types import FusionOutput
from torch import Tensor


class CandidateFusion(ProjectedFusion):
    """Each modality is a candidate with heads of its own; a rule decides among their outputs.

    Where a modality is absent its candidate is left out; ``modality_weights`` are equal over the
    present ones. ``pooled`` is the mean of the present candidates.
    """

    stage = "decision"

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        self.candidates = len(encoders)

    def routes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((f"candidate {m}", (m,)) for m in self.modalities)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        candidates = torch.stack(self.projected(outputs), 1)
        weights = uniform_weights(present, self.modalities, candidates)
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
