"""Stacked auto-encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import stack_present
from sennit.fusion.types import FusionOutput


@register_fusion("stacked_autoencoders")
class StackedAutoencoders(PooledFusion):
    """Joins the modalities' features and compresses them by stacked auto-encoders.

    ``h_0 = [x_1; …; x_M]``, ``h_l = ReLU(W_l h_{l−1} + b_l)``, ``ĥ_{l−1} = V_l h_l + c_l``; the last h is
    the embedding. Each auto-encoder learns to reconstruct what it reads, by the penalty ``λ Σ_l ‖h_{l−1} −
    ĥ_{l−1}‖² / dim(h_{l−1})`` in which h_{l−1} is a constant: no gradient of the penalty reaches the layers
    below, as in layer-wise training, and no layer can lower it by shrinking its input. All are trained at
    once, with the tasks, where the paper trains one after the other. A learned token stands in for an
    absent modality, and is not reconstructed.
    Source: Ding & Tao 2015, "Robust Face Recognition via Multimodal Deep Face Representation";
    Bengio et al. 2007, "Greedy Layer-Wise Training of Deep Networks".

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the last code, the result.
        depth: Number of auto-encoders, three in the paper; sizes fall from that of the joined features in
            equal ratios.
        reconstruction_weight: Weight λ of the reconstruction.

    Shape:
        ``pooled [B, embed_dim]``, ``losses["reconstruction"] [B]``.

    Raises:
        ValueError: ``depth`` is below 1, or ``reconstruction_weight`` negative.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> fused = StackedAutoencoders(encoders, embed_dim=16)(out)
        >>> fused.pooled.shape, fused.losses["reconstruction"].shape
        (torch.Size([4, 16]), torch.Size([4]))
    """

    stage = "intermediate"

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        depth: int = 3,
        reconstruction_weight: float = 0.1,
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'stacked_autoencoders'", depth=depth)
        check_at_least(0, "fusion 'stacked_autoencoders'", reconstruction_weight=reconstruction_weight)
        self.embed_dim, self.reconstruction_weight = embed_dim, reconstruction_weight
        first = sum(self.dims)
        sizes = [round(first ** (1 - i / depth) * embed_dim ** (i / depth)) for i in range(depth + 1)]
        self.encode = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])
        self.decode = nn.ModuleList([nn.Linear(b, a) for a, b in pairwise(sizes)])

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        h = torch.cat(self.vectors(outputs, present), 1)
        counts = self._counts(stack_present(self.modalities, present))
        errors = []
        for encode, decode in zip(self.encode, self.decode, strict=True):
            read = h.detach()
            error = (decode(encode(read).relu()) - read).float().square()
            errors.append(
                error.mean(1) if counts is None else (error * counts).sum(1) / counts.sum(1).clamp(min=1)
            )
            h, counts = encode(h).relu(), None
        reconstruction = self.reconstruction_weight * torch.stack(errors).sum(0)
        return FusionOutput(pooled=h, losses={"reconstruction": reconstruction})

    def _counts(self, masks: Sequence[Tensor] | None) -> Tensor | None:
        """Return the mask of the present features of the joined vector ``[B, Σ_m D_m]``; None for all."""
        if masks is None:
            return None
        return torch.cat(
            [p.unsqueeze(1).expand(-1, d) for p, d in zip(masks, self.dims, strict=True)], 1
        ).float()
