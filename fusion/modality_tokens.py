"""The tokens of all modalities at one width, for fusions that attend."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders.layers.transformer import sinusoids
from sennit.encoders.types import EncoderOutput
from sennit.fusion._checks import check_at_least
from sennit.fusion.inputs import FusionInput


class ModalityTokens(nn.Module):
    """Each modality's tokens, mapped linearly to a common width, with their positions added.

    ``z_m = W_m x_m + b_m + positions``: the bias of a modality's map is its type embedding. Padding and
    the tokens of absent samples are zeros with False in the mask.
    Source: Kim et al. 2021, "ViLT" (eq. 1, modal-type embeddings); Vaswani et al. 2017 (§3.5, positions).

    Args:
        encoders: Encoder of each modality, as the fusion reads it; one without tokens gives its ``pooled``.
        dim: Common width, even.
        heads: Number of heads of the attention that reads the tokens; divides ``dim``.

    Shape:
        ``[B, T_m, dim]`` and ``[B, T_m]`` for each modality.

    Raises:
        ValueError: ``dim`` is odd, or no multiple of ``heads``.
    """

    def __init__(self, encoders: Mapping[str, FusionInput], dim: int, *, heads: int) -> None:
        super().__init__()
        check_at_least(1, "a fusion that attends", heads=heads)
        if dim % heads or dim % 2:
            raise ValueError(
                f"`embed_dim` should be even and a multiple of `heads`. Found {dim} with {heads} heads."
            )
        self.modalities, self.dim = tuple(encoders), dim
        self.project = nn.ModuleList([nn.Linear(e.token_dim or e.embed_dim, dim) for e in encoders.values()])

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        tokens, masks = [], []
        for name, project in zip(self.modalities, self.project, strict=True):
            out = outputs[name]
            z = project(out.pooled.unsqueeze(1) if out.tokens is None else out.tokens)
            positions = sinusoids(z.shape[1], self.dim, device=z.device).to(z.dtype)
            if out.mask is None:
                z, mask = z + positions, z.new_ones(z.shape[:2], dtype=torch.bool)
            else:
                mask = out.mask
                # Positions count valid tokens only: a nested fusion's sequence may have padding inside.
                z = z + positions[(mask.cumsum(1) - 1).clamp(min=0)]
            if present is not None:
                mask = mask & present[name].unsqueeze(1)
            tokens.append(zero_padding(z, mask))
            masks.append(mask)
        return tokens, masks
