"""The base of the encoders of speakers."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders.features import load_waveform
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.layers.units import StepUnits, WaveUnits
from sennit.encoders.speaker.front_end import SpeakerFrontEnd


class FrameStage(nn.Module):
    """A layer over frames, which keeps their mask.

    Args:
        layer: Module from ``(x, mask)`` to frames.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.layer(x, mask), mask


class SpeakerEncoder(StagedEncoder):
    """A front-end, and stages that read its frames.

    Args:
        front: Front-end from recordings to frames.
    """

    raw_samples: ClassVar[str] = "a waveform, a pair of a waveform and its rate, or a path; or frames"
    reads_float32 = True

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
        """Load a waveform, on which transforms act, as `to_tensor` does."""
        return self.to_tensor(raw)

    def to_tensor(self, raw: Any) -> Tensor:
        """Return a waveform as the encoder reads it, resampled if it has another rate; or frames."""
        rate = self.front.sample_rate
        return super().to_tensor(raw) if rate is None else load_waveform(raw, rate)

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        frames, mask = self.front(x, mask)
        return self.cast(frames), mask

    def token_units(self) -> StepUnits:
        front, frames = self.front, self.front.frames
        if front.window is None:
            blank = front.standardise.mean if front.normalise == "global" else 0.0
            return StepUnits(front, front.num_features, blank=blank)
        return WaveUnits(front, front.num_features, window=front.window, hop=int(frames.hop))  # type: ignore[arg-type]

    def input_level(self) -> Encoder:
        return StepsInputLevel(self.front, self.front.num_features, self.input_spec)
