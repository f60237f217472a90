"""Inputs of a fusion: encoders, or plain vectors of a known size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from sennit.data.validation import check_bool, refuse_unknown
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.registry import unknown_name


@runtime_checkable
class FusionInput(Protocol):
    """An input as a fusion knows it before any forward: an `Encoder`, a `FusedEncoder` or a `VectorInput`."""

    @property
    def embed_dim(self) -> int:
        """Size of ``pooled``."""
        ...

    @property
    def token_dim(self) -> int | None:
        """Size of each of ``tokens``, or None for an input without tokens."""
        ...

    @property
    def tap_info(self) -> tuple[TapInfo, ...]:
        """Taps, from shallow to deep."""
        ...

    @property
    def map_dim(self) -> int | None:
        """Number of channels of ``map``, or None for an input without a map."""
        ...

    @property
    def staged(self) -> bool:
        """Whether a fusion can act between the stages of the input's encoder."""
        ...

    def input_level(self) -> FusionInput:
        """Return the light front that an early fusion reads."""
        ...


@dataclass(frozen=True)
class VectorInput:
    """Plain vectors in place of an encoder: they have no tokens, taps, maps or stages.

    Args:
        embed_dim: Size of the vectors.
    """

    embed_dim: int
    token_dim: int | None = None
    tap_info: tuple[TapInfo, ...] = ()
    map_dim: int | None = None
    staged: bool = False

    def __post_init__(self) -> None:
        if self.embed_dim < 1:
            raise ValueError(f"the size of a modality's vectors should be 1 or more. Found {self.embed_dim}.")

    def input_level(self) -> VectorInput:
        """Return the input itself: its vectors are what an early fusion reads."""
        return self


def check_inputs(encoders: Mapping[str, Any]) -> dict[str, FusionInput]:
    """Return the inputs of a fusion, sizes turned into `VectorInput`.

    Args:
        encoders: Encoder of each modality, or the size of its vectors.

    Raises:
        TypeError: One of them is neither.
        ValueError: A size is below 1.

    Example:
        >>> check_inputs({"image": 64})["image"].embed_dim
        64
    """
    if not isinstance(encoders, Mapping):
        raise TypeError(f"`encoders` should be a mapping from modalities to encoders. Found {encoders!r}.")
    inputs: dict[str, FusionInput] = {}
    for modality, encoder in encoders.items():
        if isinstance(encoder, int) and not isinstance(encoder, bool):
            inputs[modality] = VectorInput(encoder)
        elif isinstance(encoder, FusionInput) and not isinstance(encoder, type):
            inputs[modality] = encoder
        else:
            raise TypeError(
                f"`encoders['{modality}']` should be an Encoder, as create_encoder makes one, or the size of "
                f"its vectors. Found {encoder!r}."
            )
    return inputs


def check_modalities(argument: str, given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse a mapping that lacks a modality or names an unknown one.

    Raises:
        ValueError: The modality is named, with close matches of an unknown one.
    """
    for name in given:
        if name not in wanted:
            raise unknown_name("modality", name, wanted)
    for name in wanted:
        if name not in given:
            raise ValueError(
                f"`{argument}` should hold '{name}'. Found {sorted(given)}. A missing modality keeps its "
                f"place: zeros, with False in `present['{name}']`."
            )


def outputs_of_vectors(
    vectors: Mapping[str, Any], dims: Mapping[str, int], present: Mapping[str, Tensor] | None
) -> tuple[dict[str, EncoderOutput], dict[str, Tensor] | None]:
    """Return plain vectors as the outputs of encoders, absent rows as zeros, and the full present mask.

    Args:
        vectors: Vectors of each modality.
        dims: Size of each modality's vectors.
        present: Present mask of each modality; one that is not named is present throughout. None for all.

    Raises:
        ValueError: A modality is unknown or missing, or a tensor has another shape.
    """
    check_modalities("outputs", vectors, dims)
    size = len(next(iter(vectors.values())))
    for modality, dim in dims.items():
        x = vectors[modality]
        if not isinstance(x, Tensor) or tuple(x.shape) != (size, dim):
            shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(
                f"`outputs['{modality}']` should be a tensor of shape {(size, dim)}, as those of the other "
                f"modalities. Found {shape}."
            )
    if present is None:
        return {m: EncoderOutput(vectors[m]) for m in dims}, None
    refuse_unknown("present", present, dims)
    masks = {}
    for modality in dims:
        x = vectors[modality]
        masks[modality] = present.get(modality, x.new_ones(size, dtype=torch.bool))
        check_bool(f"present['{modality}']", masks[modality], (size,))
    return {m: EncoderOutput(vectors[m].where(p.unsqueeze(1), 0)) for m, p in masks.items()}, masks
