"""Base of the fusions that read one vector of each modality, and learned tokens for absent ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import MissingTokens, stack_present


class PooledFusion(Fusion):
    """A fusion of the pooled vectors, with a learned token in place of an absent one.

    Args:
        encoders: Encoder of each modality.

    Attributes:
        dims: Size of each modality's vector.
    """

    def __init__(self, encoders: Mapping[str, FusionInput]) -> None:
        super().__init__(encoders)
        self.dims = [self.front_of(e).embed_dim for e in encoders.values()]
        self.missing = MissingTokens(self.dims)

    @property
    def input_dims(self) -> Mapping[str, int]:
        """Size of the pooled vector that it reads of each modality."""
        return dict(zip(self.modalities, self.dims, strict=True))

    def vectors(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None
    ) -> list[Tensor]:
        """Return the pooled vectors in the order of the modalities, tokens in place of absent ones.

        Shape:
            ``[B, D_m]`` each.
        """
        pooled = [outputs[m].pooled for m in self.modalities]
        if present is None:
            return pooled
        vectors: list[Tensor] = self.missing(pooled, [present[m] for m in self.modalities])
        return vectors

    def pooled_or_nan(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None
    ) -> Tensor:
        """Return the pooled vectors side by side, NaN where a modality is absent: for `measure`.

        Shape:
            ``[B, Σ_m D_m]``, float64.
        """
        vectors = [outputs[m].pooled.double() for m in self.modalities]
        masks = stack_present(self.modalities, present)
        if masks is not None:
            vectors = [x.where(p.unsqueeze(1), torch.nan) for x, p in zip(vectors, masks, strict=True)]
        return torch.cat(vectors, 1)
