"""Encoders in inference, and their pooled taps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.encoders import Encoder
from sennit.encoders.present_rows import encode_present_rows
from sennit.encoders.taps import pool
from sennit.fusion.cell.genome import EMBEDDING
from sennit.fusion.cell.readings import places
from sennit.modes import evaluating


@contextmanager
def inference_only(encoders: Mapping[str, Encoder], device: torch.device) -> Iterator[None]:
    """Run encoders on a device, in evaluation mode, without gradients; restore each module afterwards."""
    homes = {m: next((x.device for x in e.state_dict().values()), device) for m, e in encoders.items()}
    try:
        with ExitStack() as modes, torch.no_grad():
            for encoder in encoders.values():
                modes.enter_context(evaluating(encoder.to(device)))
            yield
    finally:
        for name, encoder in encoders.items():
            encoder.to(homes[name])


def pooled_taps(
    encoders: Mapping[str, Encoder], batch: Batch, device: torch.device, *, with_places: bool = False
) -> dict[str, dict[str, Tensor]]:
    """Return each modality's taps as one vector for each sample, and its embedding as ``"pooled"``.

    Rows without the modality are zeros.

    Args:
        encoders: Encoders by modality.
        batch: Batch of their inputs.
        device: Device of the encoders.
        with_places: Whether each tap that has an axis is also returned as ``"<tap>:places"``; see
            `sennit.fusion.cell.readings.places`.

    Shape:
        ``[B, d]`` each, or ``[B, places, d + 1]``; float32.
    """
    taps: dict[str, dict[str, Tensor]] = {}
    moved = batch.to(device)
    for m, encoder in encoders.items():
        mask, present = moved.masks.get(m), moved.present[m]
        out = encode_present_rows(encoder, moved.inputs[m], mask, present, all_present=moved.all_present)
        taps[m] = {
            info.name: pool(out.taps[info.name], info.layout, out.tap_masks.get(info.name)).float()
            for info in encoder.tap_info
        }
        taps[m][EMBEDDING] = out.pooled.float()
        for info in encoder.tap_info if with_places else ():
            if info.layout != "BC":
                cut = places(out.taps[info.name], info.layout, out.tap_masks.get(info.name))
                taps[m][f"{info.name}:places"] = cut.float()
    return taps
