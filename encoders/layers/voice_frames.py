"""Frames of a voice: cepstra, pitch and how periodic it is, and their slopes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.masking import zero_padding
from sennit.encoders.features.mfcc import MFCC
from sennit.encoders.features.pitch import Pitch

_REACH = 2  # frames before and after, over which a slope is fitted
_VOICED = 0.5  # periodicity of a frame whose pitch counts


class VoiceFrames(nn.Module):
    """MFCC, log of the pitch and periodicity of each frame, and the slope of each over five frames.

    In frames without a voice the pitch is the mean of the voiced ones, so that it says nothing there. The
    slope is ``Σ k (x_{t+k} - x_{t-k}) / 2 Σ k²``, the last frame standing for those beyond the end.

    Source: the deltas of Furui 1986; `Pitch`, `MFCC`.

    Args:
        sample_rate: Sample rate in Hz.
        n_mfcc: Number of cepstral coefficients.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; frames ``[B, F, dim]``, zero in the padding, and their mask.

    Units:
        ``sample_rate`` in Hz; waveforms from -1 to 1.

    Raises:
        ValueError: A recording is shorter than one window.

    Example:
        >>> VoiceFrames(8000, n_mfcc=13)(torch.randn(2, 8000))[0].shape
        torch.Size([2, 98, 30])
    """

    def __init__(self, sample_rate: int, *, n_mfcc: int) -> None:
        super().__init__()
        self.sample_rate, self.dim = sample_rate, 2 * (n_mfcc + 2)
        self.mfcc = MFCC(sample_rate, n_mfcc=n_mfcc, n_mels=max(26, n_mfcc))
        self.pitch = Pitch(sample_rate)
        self.window = self.mfcc.window

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        cepstra, framed = self.mfcc(x, mask)
        beyond = self.pitch.window - self.window  # a longer frame about the same centre
        centred = F.pad(zero_padding(x, mask), (beyond // 2, beyond - beyond // 2))
        pitch, strength = self.pitch(centred)[0].unbind(-1)
        voiced = strength > _VOICED if framed is None else (strength > _VOICED) & framed
        count = voiced.sum(1, keepdim=True)
        mean = (pitch * voiced).sum(1, keepdim=True) / count.clamp(min=1)
        pitch = torch.where(voiced, pitch, mean)
        frames = torch.cat([cepstra, pitch.unsqueeze(-1), strength.unsqueeze(-1)], -1)
        return zero_padding(torch.cat([frames, _slopes(frames, framed)], -1), framed), framed


def _slopes(frames: Tensor, mask: Tensor | None) -> Tensor:
    place = torch.arange(frames.shape[1], device=frames.device).unsqueeze(0)
    length = torch.full_like(place[:, :1], frames.shape[1]) if mask is None else mask.sum(1, keepdim=True)
    slope = torch.zeros_like(frames)
    for k in range(1, _REACH + 1):
        after = torch.minimum(place + k, (length - 1).clamp(min=0)).expand(len(frames), -1)
        before = (place - k).clamp(min=0).expand(len(frames), -1)
        ends = (frames.gather(1, i.unsqueeze(2).expand_as(frames)) for i in (after, before))
        slope = slope + k * torch.sub(*ends)
    return slope / (2 * sum(k * k for k in range(1, _REACH + 1)))
