"""Attention over modalities."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._projected_base import ProjectedFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import FusionOutput


@register_fusion("attention")
class ModalityAttention(ProjectedFusion):
    """Weighs the modalities for each sample by softmax attention with a learned query.

    ``h = Σ_m a_m u_m`` with ``u_m = W_m x_m + b_m``, ``a = softmax_m(q · tanh(V_m x_m + c_m))`` over the
    present modalities, or over all where none is. ``modality_weights`` are the a.
    Source: Hori et al. 2017, "Attention-Based Multimodal Fusion for Video Description", with a learned query
    in place of a decoder's state, as Yang et al. 2016, "Hierarchical Attention Networks for Document
    Classification" (eqs. 5-7).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result, and of the query.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``pooled [B, embed_dim]``, ``modality_weights [B, M]``.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> ModalityAttention(encoders, embed_dim=16)(out).modality_weights.shape
        torch.Size([4, 2])
    """

    stage = "late"
    fuses_maps = True

    def __init__(
        self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128, resize_maps: bool = False
    ) -> None:
        super().__init__(encoders, embed_dim=embed_dim)
        # A single modality has all the weight: there would be nothing to learn.
        several = encoders.values() if len(encoders) > 1 else ()
        self.keys = nn.ModuleList([nn.Linear(e.embed_dim, embed_dim) for e in several])
        self.query = nn.Linear(embed_dim, 1, bias=False) if several else None

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        u = torch.stack(self.projected(outputs), 1)
        if self.query is None:
            return FusionOutput(pooled=u[:, 0], modality_weights=u.new_ones(len(u), 1))
        keys = [k(outputs[m].pooled) for m, k in zip(self.modalities, self.keys, strict=True)]
        scores = self.query(torch.stack(keys, 1).tanh()).squeeze(2).float()
        if present is not None:
            mask = self.presence(present)
            scores = scores.masked_fill(~mask & mask.any(1, keepdim=True), -math.inf)
        weights = scores.softmax(1)
        pooled = torch.einsum("bm,bmd->bd", weights.to(u.dtype), u)
        return FusionOutput(pooled=pooled, modality_weights=weights)
