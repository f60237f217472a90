"""Perturbations of a view: where they may be added, in which units, of which length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sennit.data.view import View
from sennit.encoders import Encoder

Direction = Mapping[str, Tensor]
"""What is added to each modality, in its units; a row's length is taken over all modalities together."""


@dataclass(frozen=True)
class Place:
    """The place at which a modality is perturbed: its input, or the vectors of its ids.

    Attributes:
        of_ids: Whether it is the vectors of ids.
        shape: Shape of what is added.
        units: Factor from a direction to what is added; 0 where nothing may be: in absent rows, in the
            padding, in missing cells and in categories.
    """

    of_ids: bool
    shape: tuple[int, ...]
    units: Tensor


def place_of(view: View, modality: str, encoder: Encoder, weight: float) -> Place:
    """Return the place at which a modality of a view is perturbed.

    Args:
        view: View.
        modality: Modality.
        encoder: Encoder of the modality.
        weight: Factor on the modality's scale.
    """
    x, mask = view.inputs[modality], view.masks.get(modality)
    vectors = encoder.id_vectors()
    shape = tuple(x.shape) if vectors is None else (*x.shape[:2], vectors[1])
    dtype = x.dtype if x.dtype == torch.float64 else torch.float32
    units = view.present[modality].to(dtype).mul(weight).reshape(-1, *[1] * (len(shape) - 1))
    if mask is not None:
        units = units * mask.reshape(*mask.shape, *[1] * (len(shape) - 2))
    scale = encoder.input_scale()
    if scale is not None:
        units = units * scale.to(units)
    if encoder.input_spec.allows_nan:
        units = units * ~x.isnan()
    return Place(vectors is not None, shape, units)


def random_direction(places: Mapping[str, Place]) -> dict[str, Tensor]:
    """Return a direction of length 1 for each row, uniformly drawn among those that may be added."""
    return scaled_to_one(
        {
            m: torch.randn(place.shape, device=place.units.device, dtype=place.units.dtype)
            * (place.units > 0)
            for m, place in places.items()
        }
    )


def scaled_to_one(direction: Direction, otherwise: Direction | None = None) -> dict[str, Tensor]:
    """Return a direction with rows of length 1; another where a row is zero, if there is one."""
    flat = torch.cat([x.flatten(1) for x in direction.values()], 1)
    # In float64, as squares of tiny numbers would vanish.
    length = torch.linalg.vector_norm(flat, dim=1, keepdim=True, dtype=torch.float64).to(flat.dtype)
    nonzero = length > 0
    scaled = flat / length.where(nonzero, 1.0)
    if otherwise is not None:
        scaled = torch.where(nonzero, scaled, torch.cat([x.flatten(1) for x in otherwise.values()], 1))
    parts = scaled.split([x[0].numel() for x in direction.values()], 1)
    return {m: part.reshape(x.shape) for (m, x), part in zip(direction.items(), parts, strict=True)}


def perturbed_view(view: View, places: Mapping[str, Place], direction: Direction, length: float) -> View:
    """Return a view with a direction of some length added."""
    inputs, perturbation = dict(view.inputs), dict(view.perturbation)
    for modality, place in places.items():
        added = length * place.units * direction[modality]
        if place.of_ids:
            perturbation[modality] = added
        else:
            inputs[modality] = inputs[modality] + added.to(inputs[modality].dtype)
    return view.replaced(inputs=inputs, perturbation=perturbation)
