"""The baseline of every network: statistics of MFCCs as embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.data import InputSpec
from sennit.encoders import Encoder, EncoderOutput
from sennit.encoders.layers.pooling import StatisticsPooling
from sennit.encoders.speaker import SpeakerFrontEnd

STATISTICS = "statistics"


class MFCCStatistics(Encoder):
    """Mean and standard deviation of each MFCC over the recording, without any training.

    The means are left out if the normalisation removes those of each recording.

    Args:
        sample_rate: Sample rate in Hz.
        num_features: Number of MFCCs.
        normalise: ``"utterance"`` or ``"global"``.

    Shape:
        ``[B, T]``, mask ``[B, T]``; pooled ``[B, 2·num_features]``, or half of that.

    Example:
        >>> MFCCStatistics(8000, num_features=20, normalise="utterance")(torch.randn(2, 8000)).pooled.shape
        torch.Size([2, 20])
    """

    def __init__(self, sample_rate: int, *, num_features: int, normalise: str) -> None:
        super().__init__()
        self.front = SpeakerFrontEnd(
            "mfcc", sample_rate=sample_rate, num_features=num_features, normalise=normalise
        )
        self.pooling = StatisticsPooling(num_features)
        self.first = num_features if normalise == "utterance" else 0
        self.input_spec, self.tap_info, self.token_dim = InputSpec((None,), sequence=True), (), None
        self.embed_dim = 2 * num_features - self.first

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        frames, mask = self.front(x, mask)
        return EncoderOutput(torch.as_tensor(self.pooling(frames, mask))[:, self.first :])
