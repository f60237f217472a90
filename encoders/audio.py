"""Encoders of audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.data.masking import zero_padding
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders._create import register_encoder
from sennit.encoders.features import LogMel, load_waveform
from sennit.encoders.layers.pooling import SizedPooling
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.layers.units import WaveUnits
from sennit.encoders.types import EncoderOutput, TapInfo


class _FrameConvStage(nn.Module):
    """A convolution over time and bands that halves both; each frame is normalised by itself.

    Shape:
        ``[B, T, in_dim·bands]`` to ``[B, ceil(T/2), dim·ceil(bands/2)]``; zeros in the padding.
    """

    def __init__(self, in_dim: int, dim: int, bands: int) -> None:
        super().__init__()
        self.in_dim = in_dim
        self.conv = nn.Conv2d(in_dim, dim, 3, stride=2, padding=1, bias=False)
        self.norm = nn.LayerNorm(dim * -(-bands // 2))

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        maps = self.conv(zero_padding(x, mask).reshape(*x.shape[:2], self.in_dim, -1).transpose(1, 2))
        hidden = self.norm(maps.transpose(1, 2).flatten(2)).relu()
        mask = None if mask is None else mask[:, ::2]
        return zero_padding(hidden, mask), mask


@register_encoder("logmel_conv")
class LogMelConvEncoder(StagedEncoder):
    """Convolutions over the log-mel spectrogram of a waveform.

    Source: the spectrogram networks of Hershey et al., "CNN Architectures for Large-Scale Audio
    Classification", ICASSP 2017, made small, with LayerNorm in each frame.

    Args:
        sample_rate: Sample rate in Hz.
        n_mels: Number of mel bands.
        window_s: Length of a frame in seconds.
        hop_s: Distance between frames in seconds.
        widths: Channels of each stage, shallow to deep; each halves time and bands.
        embed_dim: Size of the output and of the tokens.
        pooling: Name of a pooling over time, one of `list_poolings`.
        normalise: ``"utterance"`` subtracts from each recording the mean of its frames, and with it the
            effect of a fixed channel and much of a voice; ``"global"`` keeps it.

    Shape:
        ``[B, T]`` samples, mask ``[B, T]``; pooled ``[B, embed_dim]``, tokens ``[B, T', embed_dim]``,
        taps ``[B, T', C]`` with C the channels times the bands that are left.

    Units:
        ``sample_rate`` in Hz, ``window_s`` and ``hop_s`` in seconds; waveforms from -1 to 1.

    Raises:
        ValueError: A recording is shorter than one window, or the pooling is unknown.
        ImportError: torchaudio is not installed.

    Example:
        >>> import torch
        >>> encoder = LogMelConvEncoder(sample_rate=8000)
        >>> encoder(torch.randn(2, 8000)).tokens.shape
        torch.Size([2, 13, 128])
    """

    raw_samples: ClassVar[str] = "a waveform, a pair of a waveform and its rate, or a path"
    reads_float32 = True

    _sizes: ClassVar[tuple[str, ...]] = ("sample_rate", "n_mels", "widths", "embed_dim")

    def __init__(
        self,
        *,
        sample_rate: int,
        n_mels: int = 64,
        window_s: float = 0.025,
        hop_s: float = 0.01,
        widths: Sequence[int] = (16, 32, 64),
        embed_dim: int = 128,
        pooling: str = "mean",
        normalise: str = "global",
    ) -> None:
        super().__init__()
        self.logmel = LogMel(sample_rate, n_mels=n_mels, window_s=window_s, hop_s=hop_s, normalise=normalise)
        self.input_spec = InputSpec((None,), sequence=True, stand_in=(self.logmel.window,))
        bands = [n_mels]
        for _ in widths:
            bands.append(-(-bands[-1] // 2))
        self.stages = nn.ModuleList(
            _FrameConvStage(a, b, m) for a, b, m in zip((1, *widths), widths, bands, strict=False)
        )
        dims = [w * m for w, m in zip(widths, bands[1:], strict=True)]
        self.tap_info = tuple(TapInfo(f"stage{i + 1}", d, "BTC") for i, d in enumerate(dims))
        self.head = nn.Linear(dims[-1], embed_dim)
        self.embed_dim = self.token_dim = embed_dim
        self.pooling = SizedPooling(pooling, embed_dim)

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set mean and scale of each band from training recordings; padding is left out.

        Shape:
            x ``[B, T]``, mask ``[B, T]``.
        """
        self.logmel.fit(x, mask)

    def load_raw(self, raw: Any) -> Tensor:
        """Load a waveform, on which transforms act, as `to_tensor` does."""
        return self.to_tensor(raw)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return the waveform of an array, of a pair of array and rate (it is resampled), or of a path."""
        return load_waveform(raw, self.logmel.sample_rate)

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        frames, mask = self.logmel(x, mask)
        return self.cast(frames), mask

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        last = self.tap_info[-1].name
        mask = tap_masks.get(last)
        tokens = zero_padding(self.head(taps[last]), mask)
        return EncoderOutput(self.pooling(tokens, mask), tokens, mask, taps, tap_masks)

    def token_units(self) -> WaveUnits:
        dim, size = len(self.logmel.standardise.mean), 2 ** len(self.stages)
        return WaveUnits(self.logmel, dim, window=self.logmel.window, hop=self.logmel.hop, size=size)

    def input_level(self) -> Encoder:
        return StepsInputLevel(self.logmel, len(self.logmel.standardise.mean), self.input_spec)
