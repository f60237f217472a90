"""An encoder of sound that learns from few recordings: statistics of its frames beside a small net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sennit.data.augment.waveform import SpecAugment
from sennit.data.input_spec import InputSpec
from sennit.data.masking import zero_padding
from sennit.encoders._base import Encoder
from sennit.encoders._create import register_encoder
from sennit.encoders.features import load_waveform
from sennit.encoders.layers.frame_statistics import FrameStatistics
from sennit.encoders.layers.kept_frames import kept_frames
from sennit.encoders.layers.pooling import create_pooling
from sennit.encoders.layers.standardise import Standardise
from sennit.encoders.layers.tdnn import TDNN
from sennit.encoders.layers.voice_frames import VoiceFrames
from sennit.encoders.types import EncoderOutput

_AT_ONCE = 32  # recordings whose frames are held together while the statistics are fitted
_LARGEST = 5.0  # standard deviations beyond which a statistic is cut: a recording may be unlike all others


@register_encoder("sound_statistics")
class SoundStatisticsEncoder(Encoder):
    """Statistics of the cepstra and the pitch of a recording, beside a time-delay network over their frames.

    The statistics need no learning: mean, deviation and quantiles of each feature and of its slope, and the
    means in equal parts of the recording, which say what comes when. The network learns what they miss,
    pooled by attention; while training, stretches of time and of features are hidden from it.

    Source: the functionals of Eyben et al., "openSMILE", ACM Multimedia 2010, and "The Geneva Minimalistic
    Acoustic Parameter Set", IEEE Transactions on Affective Computing 2016; the layers of Snyder et al.,
    "X-Vectors", ICASSP 2018, with the pooling of Okabe et al. 2018 and the masks of Park et al.,
    "SpecAugment", Interspeech 2019.

    Args:
        sample_rate: Sample rate in Hz.
        n_mfcc: Number of cepstral coefficients.
        parts: Number of equal parts of a recording whose means are kept.
        widths: Sizes of the network's layers; none for the statistics alone.
        hidden: Number of hidden units over the statistics, and over the network.
        dropout: Dropout probability of a statistic and of a hidden unit.

    Shape:
        ``[B, T]`` samples, mask ``[B, T]``; pooled ``[B, 2·hidden]``, or ``[B, hidden]`` without a network;
        no tokens.

    Units:
        ``sample_rate`` in Hz; waveforms from -1 to 1.

    Raises:
        ValueError: A recording is shorter than one window of 25 ms, or an option is out of range.
        ImportError: torchaudio is not installed.

    Example:
        >>> encoder = SoundStatisticsEncoder(sample_rate=8000, hidden=16)
        >>> encoder(torch.randn(2, 8000)).pooled.shape
        torch.Size([2, 32])
    """

    raw_samples: ClassVar[str] = "a waveform, a pair of a waveform and its rate, or a path"
    reads_float32 = True

    _sizes: ClassVar[tuple[str, ...]] = ("sample_rate", "n_mfcc", "parts", "hidden")

    def __init__(
        self,
        *,
        sample_rate: int,
        n_mfcc: int = 20,
        parts: int = 8,
        widths: Sequence[int] = (96, 96, 96),
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.frames = VoiceFrames(sample_rate, n_mfcc=n_mfcc)
        self.input_spec = InputSpec((None,), sequence=True, stand_in=(self.frames.window,))
        self.frame_scale = Standardise(self.frames.dim)
        self.statistics = FrameStatistics(self.frames.dim, parts=parts)
        self.scale = Standardise(self.statistics.out_dim)
        self.over_statistics = _hidden(self.statistics.out_dim, hidden, dropout)
        self.hides = SpecAugment(band_width=min(4, self.frames.dim))
        sizes = list(zip((self.frames.dim, *widths), widths, strict=False))
        self.layers = nn.ModuleList(
            TDNN(a, b, kernel=5 if i == 0 else 3, dilation=i + 1) for i, (a, b) in enumerate(sizes)
        )
        self.pooling = create_pooling("attentive_statistics", widths[-1]) if widths else None
        self.over_frames = None if self.pooling is None else _hidden(self.pooling.out_dim, hidden, dropout)
        self.embed_dim = hidden * (2 if widths else 1)

    @torch.no_grad()
    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set mean and scale of each feature and statistic from training recordings.

        Shape:
            x ``[N, T]``, mask ``[N, T]``.
        """
        pieces = torch.split(x, _AT_ONCE)
        masks = [None] * len(pieces) if mask is None else torch.split(mask, _AT_ONCE)
        frames, statistics = [], []
        for piece, valid in zip(pieces, masks, strict=True):
            of_piece, framed = self.frames(piece, valid)
            statistics.append(self.statistics(of_piece, framed))
            frames.append(of_piece.flatten(0, 1) if framed is None else of_piece[framed])
        self.frame_scale.fit(torch.cat(frames))
        self.scale.fit(torch.cat(statistics))

    def load_raw(self, raw: Any) -> Tensor:
        """Load a waveform, on which transforms act, as `to_tensor` does."""
        return self.to_tensor(raw)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the waveform of an array, of a pair of array and rate (it is resampled), or of a path."""
        return load_waveform(raw, self.frames.sample_rate)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        frames, mask = kept_frames(self.frames, (self.frames.sample_rate, self.frames.dim), x, mask)
        statistics = self.scale(self.statistics(frames, mask)).clamp(-_LARGEST, _LARGEST)
        pooled = self.over_statistics(self.cast(statistics))
        if self.pooling is None or self.over_frames is None:
            return EncoderOutput(pooled)
        hidden = zero_padding(self.cast(self.frame_scale(frames)), mask)
        if self.training:
            hidden = self.hides(hidden, mask)
        for layer in self.layers:
            hidden = layer(hidden, mask)
        pooled = torch.cat([pooled, self.over_frames(self.pooling(hidden, mask))], 1)
        return EncoderOutput(pooled)


def _hidden(dim: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(dim, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Dropout(dropout)
    )
