"""The x-vector network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from sennit.encoders._create import register_encoder
from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.encoders.layers.pooling import Pooling, create_pooling
from sennit.encoders.layers.tdnn import TDNN
from sennit.encoders.speaker._base import FrameStage, SpeakerEncoder
from sennit.encoders.speaker.front_end import SpeakerFrontEnd
from sennit.encoders.types import EncoderOutput, TapInfo
from sennit.registry import unknown_name

CONTEXTS = ((5, 1), (3, 2), (3, 3), (1, 1), (1, 1))
"""Frames and dilation of each layer: t±2, {t-2, t, t+2}, {t-3, t, t+3}, t, t."""


class _Pool(nn.Module):
    """Pooling of frames to the recording, which has no mask."""

    def __init__(self, pooling: Pooling) -> None:
        super().__init__()
        self.pooling = pooling

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.pooling(x, mask), None


class _Segment(nn.Module):
    """An affine map of the recording; after another one, of its ReLU and batch normalisation."""

    def __init__(self, in_dim: int, dim: int, *, after_affine: bool) -> None:
        super().__init__()
        self.norm = MaskedBatchNorm(in_dim) if after_affine else None
        self.affine = nn.Linear(in_dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.affine(x if self.norm is None else self.norm(x.relu())), mask


@register_encoder("xvector")
class XVectorEncoder(SpeakerEncoder):
    """Time-delay network whose statistics over time become one vector: the x-vector.

    Five layers over frames (affine, ReLU, batch normalisation), pooling over time, and the affine map of
    segment6, whose output is the embedding. Padding reaches neither statistics nor normalisation.

    The published network continues with ReLU, normalisation and segment7 to its softmax. With
    ``embedding="segment7"`` segment7 is part of the encoder, and its affine output the embedding; otherwise
    it is left to the head of a task, so that every parameter of this encoder contributes to its output.

    Source: Snyder et al., "X-Vectors: Robust DNN Embeddings for Speaker Recognition", ICASSP 2018, Table 1.

    Args:
        features: ``"mfcc"``, ``"fbank"`` or ``"frames"``; see `SpeakerFrontEnd`.
        sample_rate: Sample rate of the waveforms in Hz; None for frames.
        num_features: Size of a frame.
        n_mels: Number of mel bands behind the MFCC; ``num_features`` when None.
        normalise: ``"utterance"`` (the mean of the recording is removed) or ``"global"``.
        widths: Sizes of the five layers over frames.
        pooling: Name of a pooling, one of `list_poolings`.
        embed_dim: Size of segment6, of segment7 and of the embedding.
        embedding: ``"segment6"`` or ``"segment7"``.

    Shape:
        ``[B, T]`` samples or ``[B, T, num_features]`` frames, mask ``[B, T]``; pooled ``[B, embed_dim]``;
        tokens ``[B, T', widths[-1]]``, those of frame5; taps frame1 to frame5 ``[B, T', width]``, pooling
        ``[B, 2·widths[-1]]`` and the segments ``[B, embed_dim]``, before their ReLU.

    Units:
        ``sample_rate`` in Hz; waveforms from -1 to 1.

    Raises:
        ValueError: An option is unknown or out of range, or a recording is shorter than one window.

    Example:
        >>> import torch
        >>> encoder = XVectorEncoder(sample_rate=8000)
        >>> encoder(torch.randn(2, 1600)).pooled.shape
        torch.Size([2, 512])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("num_features", "widths", "embed_dim")

    def __init__(
        self,
        *,
        features: str = "mfcc",
        sample_rate: int | None = None,
        num_features: int = 24,
        n_mels: int | None = None,
        normalise: str = "utterance",
        widths: Sequence[int] = (512, 512, 512, 512, 1500),
        pooling: str = "statistics",
        embed_dim: int = 512,
        embedding: str = "segment6",
    ) -> None:
        front = SpeakerFrontEnd(
            features, sample_rate=sample_rate, num_features=num_features, n_mels=n_mels, normalise=normalise
        )
        super().__init__(front)
        if len(widths) != len(CONTEXTS):
            raise ValueError(
                f"`widths` should be {len(CONTEXTS)} sizes, one for each layer. Found {len(widths)}."
            )
        if embedding not in ("segment6", "segment7"):
            raise unknown_name("embedding", embedding, ("segment6", "segment7"))
        pool = create_pooling(pooling, widths[-1])
        self.stages = nn.ModuleList(
            FrameStage(TDNN(a, b, kernel=kernel, dilation=dilation))
            for a, b, (kernel, dilation) in zip((num_features, *widths), widths, CONTEXTS, strict=False)
        )
        self.stages.append(_Pool(pool))
        self.stages.append(_Segment(pool.out_dim, embed_dim, after_affine=False))
        taps = [TapInfo(f"frame{i + 1}", width, "BTC") for i, width in enumerate(widths)]
        taps += [TapInfo("pooling", pool.out_dim, "BC"), TapInfo("segment6", embed_dim, "BC")]
        if embedding == "segment7":
            self.stages.append(_Segment(embed_dim, embed_dim, after_affine=True))
            taps.append(TapInfo("segment7", embed_dim, "BC"))
        self.tap_info = tuple(taps)
        self.embed_dim, self.token_dim = embed_dim, widths[-1]

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        last, frames = self.tap_info[-1].name, self.tap_info[len(CONTEXTS) - 1].name
        return EncoderOutput(taps[last], taps[frames], tap_masks.get(frames), taps, tap_masks)
