"""The output of an encoder, and the description of its taps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

Layout = Literal["BCHW", "BTC", "BC"]


@dataclass(frozen=True)
class TapInfo:
    """A named intermediate output that fusions and sharings may read.

    Args:
        name: Name, unique within its encoder; taps are ordered from shallow to deep.
        dim: Number of channels.
        layout: Order of axes: ``"BCHW"`` (feature maps), ``"BTC"`` (sequences) or ``"BC"`` (vectors).

    Raises:
        ValueError: The name is one that has a meaning beside the taps.
    """

    name: str
    dim: int
    layout: Layout

    def __post_init__(self) -> None:
        if self.name in _RESERVED:
            raise ValueError(
                f"a tap should not be called '{self.name}', which stands for {_RESERVED[self.name]}. Give it "
                f"another name."
            )


_RESERVED = {"pooled": "the encoder's vector", "none": "no tap in a search"}


@dataclass(frozen=True)
class EncoderOutput:
    """The output of every encoder and every fusion.

    Attributes:
        pooled: One vector for each sample.
        tokens: Sequence of vectors, or None where the encoder has none.
        mask: Valid tokens (True), after any subsampling; None when all are.
        taps: Intermediate outputs by the names in ``tap_info``, each in its own layout.
        tap_masks: Masks of the taps that have a time axis with padding.
        map: Features at each location of an image, or None where the encoder has no ``map_dim``.

    Shape:
        pooled ``[B, D]``, tokens ``[B, T, D']``, mask ``[B, T]``, taps as `TapInfo` says, map
        ``[B, C, H, W]``.
    """

    pooled: Float[Tensor, "batch dim"]
    tokens: Float[Tensor, "batch time token_dim"] | None = None
    mask: Bool[Tensor, "batch time"] | None = None
    taps: Mapping[str, Tensor] = field(default_factory=dict)
    tap_masks: Mapping[str, Tensor] = field(default_factory=dict)
    map: Float[Tensor, "batch map_dim height width"] | None = None
