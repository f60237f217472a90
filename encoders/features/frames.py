"""Frames of waveforms, and the energy in their mel bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sennit.extras import require

Windowed = Callable[[Tensor], Tensor]

CACHED = 2**19
"""Numbers in the frames that a processor transforms at a time; more would not fit its cache."""


def check_length(
    x: Tensor, mask: Tensor | None, window: int, sample_rate: int, fix: str = "shorten `window_s`"
) -> None:
    """Refuse a recording that has no whole frame; a row without any sample is accepted.

    Shape:
        x ``[B, T]``, mask ``[B, T]``.

    Raises:
        ValueError: A recording is shorter than one window (lengths are checked on the CPU only).
    """
    short = x.shape[1] if x.shape[1] < window else None
    if mask is not None and mask.device.type == "cpu" and not torch.compiler.is_compiling():
        lengths = mask.sum(1)
        partial = lengths[(lengths > 0) & (lengths < window)]
        short = int(partial.min()) if len(partial) else short
    if short is not None:
        raise ValueError(
            f"a recording should last at least one window, {window / sample_rate:g} s. Found "
            f"{short / sample_rate:g} s ({short} samples at {sample_rate} Hz). "
            f"Leave it out, or {fix}."
        )


def check_spans(window: int, hop: int, sample_rate: int) -> None:
    """Refuse frames without samples.

    Raises:
        ValueError: The window has fewer than two, or the hop has none.
    """
    if hop < 1 or window < 2:
        raise ValueError(
            f"`hop_s` and `window_s` should span samples at {sample_rate} Hz. Found {hop} and "
            f"{window}. Are they in milliseconds? They are read as seconds."
        )


def frame_mask(mask: Tensor | None, window: int, hop: int) -> Tensor | None:
    """Return the mask of frames: a frame is valid when its last sample is, and so all of them."""
    return None if mask is None else mask[:, window - 1 :: hop]


def mel_bands(n_mels: int, n_fft: int, sample_rate: int, low_hz: float, high_hz: float | None) -> Tensor:
    """Return Kaldi's triangular filters; frequencies above the last are left out.

    Shape:
        result ``[frequencies, n_mels]``.

    Raises:
        ValueError: The edges are not in order, or a band falls between two frequencies of the transform.
        ImportError: torchaudio is not installed.
    """
    high_hz = sample_rate / 2 if high_hz is None else high_hz
    if not 0 <= low_hz < high_hz <= sample_rate / 2:
        raise ValueError(
            f"`low_hz` and `high_hz` should lie in order from 0 to {sample_rate / 2:g} Hz, half the sample "
            f"rate. Found {low_hz:g} and {high_hz:g}."
        )
    if n_mels < 4:
        raise ValueError(f"`n_mels` should be at least 4. Found {n_mels}.")
    kaldi = require("torchaudio.compliance.kaldi", "audio")
    bands: Tensor = kaldi.get_mel_banks(
        n_mels, n_fft, float(sample_rate), low_hz, high_hz, 100.0, -500.0, 1.0
    )[0]
    empty = int((bands.sum(1) == 0).sum())
    if empty:
        raise ValueError(
            f"`n_mels` should leave each band a frequency of the transform, of which there are "
            f"{n_fft // 2} at {sample_rate} Hz. Found {empty} of {n_mels} bands empty. "
            f"Take fewer bands, or a longer `window_s`."
        )
    last = int(bands.sum(0).nonzero().max())
    return bands.T[: last + 1].contiguous()


def band_energies(x: Tensor, length: int, hop: int, windowed: Windowed, bands: Tensor) -> Tensor:
    """Return the energy of each frame in each band, by one Fourier transform for each frame.

    On a processor the frames are transformed in pieces that stay in its cache. A compiled graph or an
    accelerator takes them at once, and so does a differentiated input, whose intermediate values are kept
    for the backward pass.

    Args:
        x: Waveforms.
        length: Number of samples of each frame that ``windowed`` reads.
        hop: Number of samples between frames.
        windowed: Function from frames ``[B, F, length]`` to the transform's input ``[B, F, n_fft]``.
        bands: Weight of each frequency in each band, from 0 Hz up; frequencies above are left out.

    Shape:
        x ``[B, T]``, bands ``[frequencies, n_mels]``, result ``[B, F, n_mels]``.
    """
    frames = x.unfold(1, length, hop)
    if x.device.type != "cpu" or torch.compiler.is_compiling() or _differentiated(x):
        return _energies(windowed(frames), bands)
    step = max(1, CACHED // max(1, len(x) * length))
    return torch.cat([_energies(windowed(piece), bands) for piece in torch.split(frames, step, 1)], 1)


def _energies(frames: Tensor, bands: Tensor) -> Tensor:
    # Cut as real numbers: ONNX cannot cut complex ones.
    real, imaginary = torch.view_as_real(torch.fft.rfft(frames))[..., : len(bands), :].unbind(-1)
    return exact_product(torch.addcmul(real.square(), imaginary, imaginary), bands)


def _differentiated(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad


def exact_product(x: Tensor, matrix: Tensor) -> Tensor:
    """Return ``x @ matrix`` to the precision of float32, under any setting of float32 products.

    Where the setting allows less (TF32, bfloat16), or is unknown as in a graph, it is computed in float64.
    """
    if x.dtype == torch.float32 and x.device.type in ("cpu", "cuda") and _may_lose_digits(x.device.type):
        return (x.double() @ matrix.double()).float()
    return x @ matrix.to(x.dtype)


def _may_lose_digits(device: str) -> bool:
    if torch.compiler.is_compiling():
        return True
    backend: Any = torch.backends.mkldnn if device == "cpu" else torch.backends.cuda
    return backend.matmul.fp32_precision not in ("none", "ieee")
