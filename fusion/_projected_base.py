"""Base of the fusions that map each modality into one space and leave absent ones out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import Fusion
from sennit.fusion.inputs import FusionInput


class ProjectedFusion(Fusion):
    """Maps each modality linearly into one space, ``u_m = W_m x_m + b_m``.

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the space.
    """

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int) -> None:
        super().__init__(encoders)
        self.embed_dim = embed_dim
        self.project = nn.ModuleList([nn.Linear(e.embed_dim, embed_dim) for e in encoders.values()])

    def projected(self, outputs: Mapping[str, EncoderOutput]) -> list[Tensor]:
        """Return ``u_m`` in the order of the modalities.

        Shape:
            ``[B, embed_dim]`` each.
        """
        return [p(outputs[m].pooled) for m, p in zip(self.modalities, self.project, strict=True)]

    def presence(self, present: Mapping[str, Tensor]) -> Tensor:
        """Return the present masks side by side ``[B, M]``."""
        return torch.stack([present[m] for m in self.modalities], 1)
