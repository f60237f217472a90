"""Means, scales and vocabularies of encoders, fitted to training inputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sennit.data import View
from sennit.data.masking import cat_padded
from sennit.encoders import Encoder


def fit_encoders(encoders: Mapping[str, Encoder], view: View) -> None:
    """Fit each encoder to the present rows of its modality, or of all modalities that share it."""
    modalities: dict[Encoder, list[str]] = {}
    for name, encoder in encoders.items():
        modalities.setdefault(encoder, []).append(name)
    for encoder, names in modalities.items():
        pieces = [_rows(view, name) for name in names]
        if len(pieces) == 1:
            encoder.fit(*pieces[0])
            continue
        masks = [x.new_ones(x.shape[:2], dtype=torch.bool) if mask is None else mask for x, mask in pieces]
        x = cat_padded([x for x, _ in pieces])
        encoder.fit(x, cat_padded(masks) if encoder.input_spec.sequence else None)


def _rows(view: View, name: str) -> tuple[Tensor, Tensor | None]:
    rows, mask = view.present[name], view.masks.get(name)
    return view.inputs[name][rows], None if mask is None else mask[rows]
