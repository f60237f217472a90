"""Detection of the frames that hold speech, by their energy."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders.features._kaldi import FLOOR
from sennit.encoders.features.frames import check_length, check_spans, frame_mask

_INT16 = 2 * math.log(2**15)
"""Kaldi's thresholds are for waveforms in units of 16-bit integers."""


class EnergyVAD(nn.Module):
    """Voice activity by energy, as in Kaldi: a frame is speech when enough of the frames around it are loud.

    A frame is loud when its logarithmic energy e(t), of the samples less their mean, is above
    ``threshold + mean_scale · ē``, ē being the mean over the recording. It is speech when at
    least the share ``proportion`` of the up to ``2 · context + 1`` frames around it is loud.
    Source: Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011, ``compute-vad`` (Kaldi's
    ``ComputeVadEnergy``) on the raw energy of ``compute-mfcc-feats`` without dither.

    Args:
        sample_rate: Sample rate in Hz.
        window_s: Length of a frame in seconds.
        hop_s: Distance between frames in seconds.
        threshold: Threshold of the energy, Kaldi's ``vad-energy-threshold``.
        mean_scale: Weight of the mean energy, Kaldi's ``vad-energy-mean-scale``.
        context: Number of frames on each side (Kaldi's ``vad-frames-context``).
        proportion: Share of loud frames, Kaldi's ``vad-proportion-threshold``.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; speech flags, bool ``[B, 1 + (T - window) // hop]``: the
        frames of `Fbank` and `MFCC` of the same window and hop.

    Units:
        ``sample_rate`` in Hz, ``window_s`` and ``hop_s`` in seconds; ``threshold`` is the logarithm of an
        energy, in units of 16-bit integers, as in Kaldi, while waveforms are from -1 to 1.

    Raises:
        ValueError: A recording is shorter than one window (lengths are checked on the CPU only), or an
            option is out of range.

    Example:
        >>> x = torch.cat([torch.zeros(4000), torch.randn(4000)])
        >>> speech = EnergyVAD(8000)(x.unsqueeze(0))
        >>> bool(speech[0, :40].any()), bool(speech[0, -40:].all())
        (False, True)
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        window_s: float = 0.025,
        hop_s: float = 0.01,
        threshold: float = 5.0,
        mean_scale: float = 0.5,
        context: int = 0,
        proportion: float = 0.6,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.window, self.hop = (int(s * sample_rate + 1e-6) for s in (window_s, hop_s))
        check_spans(self.window, self.hop, sample_rate)
        if mean_scale < 0 or context < 0 or not 0 < proportion < 1:
            raise ValueError(
                f"`mean_scale` and `context` should be 0 or more, and `proportion` between 0 and 1. Found "
                f"{mean_scale}, {context}, {proportion}."
            )
        self.threshold, self.mean_scale = threshold, mean_scale
        self.context, self.proportion = context, proportion

    @torch.no_grad()
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        check_length(x, mask, self.window, self.sample_rate)
        with torch.autocast(x.device.type, enabled=False):
            energies = self.log_energies(zero_padding(x if x.dtype == torch.float64 else x.float(), mask))
        frames = frame_mask(mask, self.window, self.hop)
        valid = torch.ones_like(energies) if frames is None else frames.to(energies.dtype)
        mean = (energies * valid).sum(1, keepdim=True) / valid.sum(1, keepdim=True).clamp_min(1)
        loud = (energies > self.threshold + self.mean_scale * mean) * valid
        speech = self._around(loud) >= self.proportion * self._around(valid)
        return speech & valid.bool()

    def log_energies(self, x: Tensor) -> Tensor:
        """Return the logarithm of each frame's energy, in units of 16-bit integers.

        Shape:
            ``[B, T]`` to ``[B, F]``.
        """
        frames = x.unfold(1, self.window, self.hop)
        centred = frames - frames.mean(-1, keepdim=True)
        return centred.square().sum(-1).clamp_min(FLOOR / 2**30).log() + _INT16

    def _around(self, x: Tensor) -> Tensor:
        """Return the sum over each frame and those around it."""
        width = 2 * self.context + 1
        return nn.functional.pad(x, (self.context, self.context)).unfold(1, width, 1).sum(-1)


def keep_speech(frames: Tensor, mask: Tensor | None, speech: Tensor) -> tuple[Tensor, Tensor]:
    """Move the frames that hold speech together, followed by zeros (Kaldi's ``select-voiced-frames``).

    A recording without speech keeps no frame: its mask is False everywhere.

    Shape:
        frames ``[B, T, F]``, mask and speech ``[B, T]``; results ``[B, T, F]`` and ``[B, T]``.

    Example:
        >>> frames = torch.tensor([[[1.0], [2.0], [3.0]]])
        >>> keep_speech(frames, None, torch.tensor([[False, True, True]]))[0].flatten().tolist()
        [2.0, 3.0, 0.0]
    """
    kept = speech if mask is None else speech & mask
    order = (~kept).to(torch.uint8).argsort(dim=1, stable=True)
    moved = frames.gather(1, order.unsqueeze(2).expand_as(frames))
    valid = torch.arange(frames.shape[1], device=frames.device) < kept.sum(1, keepdim=True)
    return zero_padding(moved, valid), valid
