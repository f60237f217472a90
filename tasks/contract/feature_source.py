"""The place in a network at which a head reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sennit.registry import check_names

Place = Literal["fused", "tokens", "map", "encoded", "encoded_tokens", "encoded_map", "tap", "output"]
PLACES: tuple[Place, ...] = get_args(Place)
_OF_A_MODALITY = ("encoded", "encoded_tokens", "encoded_map", "tap")


@dataclass(frozen=True)
class FeatureSource:
    """The place in a network at which a head reads.

    Args:
        at: Place: ``"fused"`` (the fused vector, through the sharing), ``"tokens"`` or ``"map"`` (the fused
            tokens, or feature map), ``"encoded"``, ``"encoded_tokens"``, ``"encoded_map"`` (the vector,
            tokens or map of one modality before fusion), ``"tap"`` (an intermediate output of an encoder) or
            ``"output"`` (the output of another task).
        of: Modality of an encoded place or a tap; task of an output.
        tap: Name of the tap.
        gradient: ``"own"``: the task's gradient passes; ``"none"``: it stops here, as for a probe.

    Raises:
        ValueError: An unknown place or gradient; ``of`` or ``tap`` is missing, or has no meaning there.

    Shape:
        fused and encoded ``[B, D]``, tokens ``[B, T, D]``, maps ``[B, D, H, W]``, a tap as its `TapInfo`
        says, an output as the other task's head gives it.

    Example:
        >>> FeatureSource("tap", of="image", tap="stage2", gradient="none").modality
        'image'
    """

    at: Place = "fused"
    of: str | None = None
    tap: str | None = None
    gradient: Literal["own", "none"] = "own"

    def __post_init__(self) -> None:
        check_names("place of a feature source", [self.at], PLACES)
        check_names("gradient of a feature source", [self.gradient], ("own", "none"))
        needs = "modality" if self.at in _OF_A_MODALITY else "task" if self.at == "output" else None
        if (self.of is None) != (needs is None):
            should = f"name the {needs}" if needs else "be None"
            raise ValueError(f"`of` should {should} for a source at '{self.at}'. Found {self.of!r}.")
        if (self.tap is None) != (self.at != "tap"):
            should = "name the tap" if self.at == "tap" else "be None"
            raise ValueError(f"`tap` should {should} for a source at '{self.at}'. Found {self.tap!r}.")

    @property
    def modality(self) -> str | None:
        """Modality that the source is of; None where it is of the fused features or of a task."""
        return self.of if self.at in _OF_A_MODALITY else None


FUSED = {"": FeatureSource()}
"""The sources of a head that reads the fused vector, as most do."""


def sources_of(sources: Mapping[str, Any] | FeatureSource | None) -> Mapping[str, FeatureSource]:
    """Return sources by name; one alone is named "", and those of a config are mappings."""
    if sources is None:
        return FUSED
    if isinstance(sources, FeatureSource):
        return {"": sources}
    if sources and all(key in FeatureSource.__dataclass_fields__ for key in sources):
        return {"": FeatureSource(**sources)}
    return {n: s if isinstance(s, FeatureSource) else FeatureSource(**s) for n, s in sources.items()}
