"""Embeddings of segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sennit.data.augment.waveform import Augmentation
from sennit.encoders import Encoder
from sennit.encoders.layers.pooling import StatisticsPooling
from sennit.recipes.xvector.data import Segments
from sennit.recipes.xvector.signals import measures_of

_SECONDS = 120.0  # of speech in a batch
EMBEDDING, DRAWN, MEASURED = "embedding", "drawn/", "measured/"


def embed(encoder: Encoder, segments: Segments, *, augment: Augmentation | None = None) -> np.ndarray:
    """Return the embedding of each segment in order; computed on the encoder's device, in evaluation mode.

    Args:
        encoder: Speaker encoder.
        segments: Segments to embed.
        augment: Augmentation of the waveforms, with a fixed random seed.

    Shape:
        ``[N, embed_dim]``.
    """
    return embed_taps(encoder, segments, augment=augment, taps=())[EMBEDDING]


def embed_taps(
    encoder: Encoder,
    segments: Segments,
    *,
    augment: Augmentation | None = None,
    taps: Sequence[str] | None = None,
    measured: bool = False,
) -> dict[str, np.ndarray]:
    """Return embeddings, the output of each tap, and the values that the augmentation drew.

    Of a tap of frames, the mean and standard deviation are returned.

    Args:
        encoder: Speaker encoder.
        segments: Segments to embed.
        augment: Augmentation of the waveforms, with a fixed random seed.
        taps: Names of the taps; None is all.
        measured: Whether the measures of `measures_of` are returned too, of the waveforms after augmentation.

    Shape:
        ``[N, D]`` each, by name, with the encoder's output as `EMBEDDING`; drawn values ``[N]`` as
        ``"drawn/<name>"``, measures ``[N]`` as ``"measured/<name>"``.
    """
    infos = [tap for tap in encoder.tap_info if taps is None or tap.name in taps]
    device = next(chain(encoder.parameters(), encoder.buffers())).device
    generator = torch.Generator().manual_seed(0)
    was_training = encoder.training
    encoder.eval()
    rows: list[np.ndarray] = []
    outputs: dict[str, list[Tensor]] = {name: [] for name in (*(tap.name for tap in infos), EMBEDDING)}
    with torch.no_grad():
        for indices, x, mask in _batches(segments):
            x, mask = x.to(device), None if mask is None else mask.to(device)
            if augment is not None:
                after = augment(x, mask, generator=generator)
                x, mask = after.x, after.mask
                for name, drawn in after.drawn.items():
                    outputs.setdefault(f"{DRAWN}{name}", []).append(drawn.cpu())
            for place, wave in zip(indices, _waveforms(x, mask), strict=True) if measured else ():
                recorded = int(segments.recordings.corpus.rates[segments.rows[place]])
                for name, value in measures_of(wave, segments.recordings.sample_rate, recorded).items():
                    outputs.setdefault(f"{MEASURED}{name}", []).append(torch.tensor([value]))
            out = encoder(x, mask)
            rows.append(indices)
            outputs[EMBEDDING].append(out.pooled.float().cpu())
            for tap in infos:
                value = out.taps[tap.name]
                if tap.layout == "BTC":
                    value = StatisticsPooling(tap.dim)(value, out.tap_masks.get(tap.name))
                outputs[tap.name].append(value.float().cpu())
    encoder.train(was_training)
    order = np.argsort(np.concatenate(rows))
    return {name: torch.cat(values).numpy()[order] for name, values in outputs.items()}


def _waveforms(x: Tensor, mask: Tensor | None) -> list[Tensor]:
    return list(x) if mask is None else [row[valid] for row, valid in zip(x, mask, strict=True)]


def _batches(segments: Segments) -> Iterator[tuple[np.ndarray, Tensor, Tensor | None]]:
    """Yield batches of similar lengths: positions, waveforms, and a mask if lengths differ."""
    order = np.argsort(segments.counts / segments.recordings.rates[segments.rows], kind="stable")
    rate = segments.recordings.sample_rate
    batch: list[Tensor] = []
    places: list[int] = []
    for place in order.tolist():
        x = segments[place]["inputs"][segments.modality]
        if batch and (len(batch) + 1) * len(x) > _SECONDS * rate:
            yield _joined(places, batch)
            batch, places = [], []
        batch.append(x)
        places.append(place)
    yield _joined(places, batch)


def _joined(places: Sequence[int], batch: Sequence[Tensor]) -> tuple[np.ndarray, Tensor, Tensor | None]:
    x = pad_sequence(list(batch), batch_first=True)
    lengths = torch.tensor([len(waveform) for waveform in batch])
    mask = torch.arange(x.shape[1]) < lengths.unsqueeze(1)
    return np.array(places), x, None if bool(mask.all()) else mask
