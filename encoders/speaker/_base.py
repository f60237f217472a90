"""What encoders of speakers share."""

from __future__ import annotations

from typing import Any

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders.features import load_waveform
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.speaker.front_end import SpeakerFrontEnd
from torch import Tensor, nn


class FrameStage(nn.Module):
    """A layer over frames, which leaves their mask as it is.

    Args:
        layer: From ``(x, mask)`` to frames.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.layer(x, mask), mask


class SpeakerEncoder(StagedEncoder):
    """A front-end, and stages that read its frames.

    Args:
        front: From recordings to frames.
    """

    def __init__(self, front: SpeakerFrontEnd) -> None:
        super().__init__()
        self.front = front
        if front.window is None:
            self.input_spec = InputSpec((None, front.num_features), sequence=True)
        else:
            self.input_spec = InputSpec((None,), sequence=True, stand_in=(front.window,))

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set mean and deviation of each feature from training recordings; padding is left out.

        Shape:
            x and mask as the encoder reads them.
        """
        self.front.fit(x, mask)

    def load_raw(self, raw: Any) -> Any:
        """As `to_tensor`."""
        return self.to_tensor(raw)

    def to_tensor(self, raw: Any) -> Tensor:
        """A waveform, a pair of a waveform and its rate (it is resampled), or a path; or frames."""
        rate = self.front.sample_rate
        return super().to_tensor(raw) if rate is None else load_waveform(raw, rate)

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        frames, mask = self.front(x, mask)
        return frames, mask

    def input_level(self) -> Encoder:
        return StepsInputLevel(self.front, self.front.num_features, self.input_spec)
