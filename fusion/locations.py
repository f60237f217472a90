"""Fusion of feature maps: a fusion of vectors at every location."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sennit.encoders.taps import at_size
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.fusion.inputs import FusionInput, VectorInput
from sennit.fusion.types import FusionOutput

MAP = "map"


def location_inputs(encoders: Mapping[str, FusionInput]) -> dict[str, VectorInput]:
    """Return what a fusion at every location reads of each encoder.

    The vector is the map's; the taps are the encoder's feature maps, shallow to deep, and the map after them.

    Args:
        encoders: Encoder of each modality, with a map.
    """
    inputs = {}
    for name, encoder in encoders.items():
        assert encoder.map_dim is not None
        taps = [TapInfo(t.name, t.dim, "BC") for t in encoder.tap_info if t.layout == "BCHW"]
        taps.append(TapInfo(MAP, encoder.map_dim, "BC"))
        inputs[name] = VectorInput(encoder.map_dim, tap_info=tuple(taps))
    return inputs


class LocationFusion(nn.Module):
    """A fusion that reads the maps of all modalities at each location, as if each were a sample.

    A modality that a sample lacks is absent at all of its locations. Maps should have the same height and
    width; one of another size is resized to the first's by bilinear interpolation if asked, else refused.

    Args:
        fusion: Fusion made for `location_inputs`.
        resize: Whether to resize maps of another size.

    Shape:
        maps ``[B, C_m, H, W]``, present ``[B]`` each; map ``[B, embed_dim, H, W]``.

    Raises:
        ValueError: Maps of different sizes, or an output without one.
    """

    def __init__(self, fusion: Any, *, resize: bool) -> None:
        super().__init__()
        self.fusion, self.resize = fusion, resize

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None
    ) -> dict[str, Any]:
        maps = self.aligned(outputs, present)
        size, _, height, width = next(iter(maps.values())).shape
        inputs = {}
        for name, x in maps.items():
            read = {MAP: _flat(x)}
            if self.fusion.needs == "taps":
                taps = outputs[name].taps
                read |= {t: _flat(at_size(tap, x.shape[-2:])) for t, tap in taps.items() if tap.dim() == 4}
            inputs[name] = EncoderOutput(read[MAP], taps=read)
        rows = None
        if present is not None:
            rows = {m: present[m].unsqueeze(1).expand(size, height * width).flatten() for m in maps}
        out: FusionOutput = self.fusion(inputs, rows)

        def unflat(x: Tensor) -> Tensor:
            return x.reshape(size, height, width, *x.shape[1:]).movedim((1, 2), (-2, -1))

        return {
            "map": unflat(out.pooled),
            "candidate_maps": None if out.candidates is None else unflat(out.candidates),
            "auxiliary_maps": {name: unflat(x) for name, x in out.auxiliary.items()},
        }

    def aligned(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None
    ) -> dict[str, Tensor]:
        """Return the maps in the order of the modalities, all of one size."""
        maps = {}
        for name in self.fusion.modalities:
            x = outputs[name].map
            if x is None:
                raise ValueError(
                    f"the encoder of '{name}' should return a map, as its `map_dim` says. Found None."
                )
            maps[name] = x
        sizes = {name: tuple(x.shape[-2:]) for name, x in maps.items()}
        if len(set(sizes.values())) == 1:
            return maps
        here = [m for m, size in sizes.items() if present is None or _is_known(present[m], size)]
        first = (here or list(maps))[0]
        for name in here:
            if sizes[name] != sizes[first] and not self.resize:
                raise ValueError(
                    f"the maps of the modalities should have one size. Found {sizes[first]} for '{first}' "
                    f"and {sizes[name]} for '{name}'. Give images of one size, set the encoders' "
                    f"`map_stride` so that the maps agree, or make the fusion with `resize_maps=True`."
                )
        return {name: at_size(x, sizes[first]) for name, x in maps.items()}


def _is_known(present: Tensor, size: tuple[int, ...]) -> bool:
    """Return whether the size of a map means anything: that of a modality that no row has is (1, 1)."""
    return size != (1, 1) or (not torch.compiler.is_compiling() and bool(present.any()))


def with_maps(
    fused: FusionOutput,
    fusion: nn.Module,
    outputs: Mapping[str, Any],
    present: Mapping[str, Tensor] | None,
) -> FusionOutput:
    """Return a fusion's output with the fused maps; as it is where the outputs have no maps (plain vectors).

    Args:
        fused: Output without maps.
        fusion: Fusion of the maps, whose ``forward`` returns fields of `FusionOutput`.
        outputs: Output of each encoder.
        present: Present mask of each modality.
    """
    if all(out.map is None for out in outputs.values()):
        return fused
    return replace(fused, **fusion(outputs, present))


def _flat(x: Tensor) -> Tensor:
    """Return the vectors at the locations of a map: ``[B, C, H, W]`` to ``[B·H·W, C]``."""
    return x.movedim(1, -1).flatten(0, 2)
