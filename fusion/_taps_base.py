"""Base of the fusions that read the encoders' taps level by level."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sennit.encoders.taps import pool
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.fusion._base import Fusion
from sennit.fusion.inputs import FusionInput


class TappedFusion(Fusion):
    """A fusion of the taps, pooled over space or over valid steps.

    Encoders of unlike depth are aligned at their deepest taps; taps that only deeper ones have are not read.

    Args:
        encoders: Encoder of each modality, with at least one tap.

    Attributes:
        taps: Tap of each modality, for each level from shallow to deep.

    Raises:
        TypeError: An encoder has no taps; it is named.
    """

    needs = "taps"
    taps: tuple[tuple[TapInfo, ...], ...]

    def __init__(self, encoders: Mapping[str, FusionInput]) -> None:
        super().__init__(encoders)
        without = [m for m, e in encoders.items() if not e.tap_info]
        if without:
            raise TypeError(
                f"fusion '{self.registry_name}' reads taps, and the encoders of {without} have none. Choose "
                f"encoders with taps (plain vectors have none), or a late fusion."
            )
        depth = min(len(e.tap_info) for e in encoders.values())
        self.taps = tuple(zip(*(e.tap_info[-depth:] for e in encoders.values()), strict=True))

    def level(self, outputs: Mapping[str, EncoderOutput], place: int) -> list[Tensor]:
        """Return the taps of a level in the order of the modalities.

        Shape:
            ``[B, D_m]`` each.
        """
        pairs = zip((outputs[m] for m in self.modalities), self.taps[place], strict=True)
        return [pool(out.taps[tap.name], tap.layout, out.tap_masks.get(tap.name)) for out, tap in pairs]
