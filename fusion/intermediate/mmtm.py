"""Multimodal transfer module."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.taps import broadcast_channels, pool
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.fusion._base import register_fusion
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.late.concat import LateConcat
from sennit.fusion.locations import LocationFusion, location_inputs
from sennit.fusion.missing import MissingTokens
from sennit.fusion.types import FusionOutput


class TransferUnit(nn.Module):
    """Squeezes all modalities at one level and excites the channels of each.

    ``Z = ReLU(W [S_1; …; S_M] + b)``, ``h_m ← 2σ(W_m Z + b_m) ⊙ h_m``, S the spatial mean.
    """

    def __init__(self, taps: Mapping[str, TapInfo], ratio: float) -> None:
        super().__init__()
        self.modalities, self.taps = tuple(taps), dict(taps)
        dims = [t.dim for t in taps.values()]
        width = max(1, int(sum(dims) / ratio))
        self.missing = MissingTokens(dims)
        self.squeeze = nn.Linear(sum(dims), width)
        self.excite = nn.ModuleList([nn.Linear(width, d) for d in dims])

    def forward(
        self,
        hidden: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None,
    ) -> dict[str, Tensor]:
        first = next(iter(hidden.values()))
        nobody = torch.zeros(first.shape[0], dtype=torch.bool, device=first.device)
        squeezed, rows = [], []
        for m, tap in self.taps.items():
            if m in hidden:
                squeezed.append(pool(hidden[m], tap.layout, masks.get(m)))
                rows.append(~nobody if present is None else present[m])
            else:
                squeezed.append(first.new_zeros(first.shape[0], tap.dim))
                rows.append(nobody)
        z = self.squeeze(torch.cat(self.missing(squeezed, rows), 1)).relu()
        out = {}
        for m, excite in zip(self.modalities, self.excite, strict=True):
            if m in hidden:
                out[m] = hidden[m] * broadcast_channels(2 * excite(z).sigmoid(), self.taps[m].layout)
        return out


@register_fusion("mmtm")
class MMTM(PooledFusion):
    """Multimodal transfer module: modalities recalibrate each other between encoder stages.

    A `TransferUnit` follows each level that at least two encoders have, counted from the
    deepest; the final embeddings are concatenated and mapped linearly. It needs staged encoders.
    The squeeze of a sequence averages over its valid steps. Maps, which the encoders make of their
    recalibrated stages, are concatenated and mapped linearly at every location.
    Source: Joze et al. 2020, "MMTM: Multimodal Transfer Module for CNN Fusion" (eqs. 2-5).

    Args:
        encoders: Staged encoder of each modality.
        embed_dim: Size of the result.
        ratio: Reduction of the squeezed vector; 4 as in the paper.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: ``ratio`` is not above 0.

    Example:
        >>> from sennit.data import View
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fused = FusedEncoder(encoders, MMTM(encoders, embed_dim=16))
        >>> fused(View.of({"a": torch.randn(4, 3), "b": torch.randn(4, 5)})).pooled.shape
        torch.Size([4, 16])
    """

    stage = "intermediate"
    needs = "stages"
    fuses_maps = True

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        ratio: float = 4.0,
        resize_maps: bool = False,
    ) -> None:
        super().__init__(encoders)
        if not ratio > 0:
            raise ValueError(f"`ratio` of fusion 'mmtm' should be above 0. Found {ratio}.")
        self.embed_dim = embed_dim
        depths = sorted((len(e.tap_info) for e in encoders.values()), reverse=True)
        self.depth = depths[1] if len(depths) > 1 else 0
        self.units = nn.ModuleList(
            [
                TransferUnit(
                    {m: e.tap_info[-level] for m, e in encoders.items() if len(e.tap_info) >= level}, ratio
                )
                for level in range(1, self.depth + 1)
            ]
        )
        self.project = nn.Linear(sum(self.dims), embed_dim)

    def build_map_fusion(self, encoders: Mapping[str, FusionInput], width: int, *, resize: bool) -> nn.Module:
        return LocationFusion(LateConcat(location_inputs(encoders), embed_dim=width), resize=resize)

    def exchange(
        self,
        level: int,
        hidden: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None,
    ) -> dict[str, Tensor]:
        if -level > self.depth or not hidden:
            return dict(hidden)
        mixed: dict[str, Tensor] = self.units[-level - 1](hidden, masks, present)
        return mixed

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        return FusionOutput(pooled=self.project(torch.cat(self.vectors(outputs, present), 1)))
