"""ECAPA-TDNN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.encoders.layers.pooling import create_pooling
from sennit.encoders.layers.se_res2net import SERes2NetBlock
from sennit.encoders.layers.tdnn import TDNN
from sennit.encoders.speaker._base import FrameStage, SpeakerEncoder
from sennit.encoders.speaker.front_end import SpeakerFrontEnd
from sennit.encoders.types import EncoderOutput, TapInfo


@register_encoder("ecapa_tdnn")
class ECAPATDNNEncoder(SpeakerEncoder):
    """Time-delay network with squeeze and excitation, aggregation of its layers, and attentive pooling.

    A layer over five frames; three blocks of dilation 2, 3 and 4; their outputs joined and mapped; pooling;
    batch normalisation, an affine map and batch normalisation again. Padding has no effect. As in public
    implementations, a block reads the output of the one before it, not the sum of all outputs before it.

    Source: Desplanques et al., "ECAPA-TDNN: Emphasized Channel Attention, Propagation and Aggregation in TDNN
    Based Speaker Verification", Interspeech 2020.

    Args:
        features: ``"mfcc"``, ``"fbank"`` or ``"frames"``; see `SpeakerFrontEnd`.
        sample_rate: Sample rate of the waveforms in Hz; None for frames.
        num_features: Size of a frame.
        n_mels: Number of mel bands behind the MFCC; ``num_features`` when None.
        normalise: ``"utterance"`` (the mean of the recording is removed) or ``"global"``.
        channels: Number of channels of the first layer and of the blocks; 512 or 1024 in the paper.
        scale: Number of groups of channels in a block.
        aggregated: Number of channels of the joined blocks, after their map.
        pooling: Name of a pooling, one of `list_poolings`.
        embed_dim: Size of the embedding.

    Shape:
        ``[B, T]`` samples or ``[B, T, num_features]`` frames, mask ``[B, T]``; pooled ``[B, embed_dim]``;
        tokens ``[B, T', aggregated]``; taps ``[B, T', channels]``: frame1 and the blocks.

    Units:
        ``sample_rate`` in Hz; waveforms from -1 to 1.

    Raises:
        ValueError: An option is unknown or out of range, or a recording is shorter than one window.

    Example:
        >>> encoder = ECAPATDNNEncoder(features="fbank", sample_rate=8000, channels=64)
        >>> encoder(torch.randn(2, 1600)).pooled.shape
        torch.Size([2, 192])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("num_features", "channels", "scale", "aggregated", "embed_dim")

    def __init__(
        self,
        *,
        features: str = "mfcc",
        sample_rate: int | None = None,
        num_features: int = 80,
        n_mels: int | None = None,
        normalise: str = "utterance",
        channels: int = 512,
        scale: int = 8,
        aggregated: int = 1536,
        pooling: str = "channel_attentive_statistics",
        embed_dim: int = 192,
    ) -> None:
        front = SpeakerFrontEnd(
            features, sample_rate=sample_rate, num_features=num_features, n_mels=n_mels, normalise=normalise
        )
        super().__init__(front)
        blocks = [SERes2NetBlock(channels, dilation=dilation, scale=scale) for dilation in (2, 3, 4)]
        self.stages = nn.ModuleList(map(FrameStage, [TDNN(num_features, channels, kernel=5), *blocks]))
        names = ["frame1", *(f"block{i + 1}" for i in range(len(blocks)))]
        self.tap_info = tuple(TapInfo(name, channels, "BTC") for name in names)
        self.aggregate = nn.Linear(len(blocks) * channels, aggregated)
        self.pooling = create_pooling(pooling, aggregated)
        self.pooling_norm = MaskedBatchNorm(self.pooling.out_dim)
        self.affine = nn.Linear(self.pooling.out_dim, embed_dim)
        self.norm = MaskedBatchNorm(embed_dim)
        self.embed_dim, self.token_dim = embed_dim, aggregated

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        _, *blocks = (taps[tap.name] for tap in self.tap_info)
        mask = tap_masks.get(self.tap_info[-1].name)
        tokens = zero_padding(self.aggregate(torch.cat(blocks, 2)).relu(), mask)
        pooled = self.norm(self.affine(self.pooling_norm(self.pooling(tokens, mask))))
        return EncoderOutput(pooled, tokens, mask, taps, tap_masks)
