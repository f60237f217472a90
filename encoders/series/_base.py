"""The base of the encoders of series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.input_spec import InputSpec
from sennit.data.masking import zero_padding
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders.layers.pooling import SizedPooling
from sennit.encoders.layers.standardise import Standardise
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.layers.units import StepUnits
from sennit.encoders.types import EncoderOutput, TapInfo


class Steps(nn.Module):
    """Standardised steps; zeros in the padding.

    Args:
        in_channels: Number of channels of the series.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return zero_padding(self.standardise(x), mask), mask


def patches(x: Tensor, mask: Tensor | None, size: int) -> tuple[Tensor, Tensor | None]:
    """Join consecutive steps; a last, incomplete patch is filled with zeros.

    Args:
        x: Steps, zero in the padding.
        mask: Valid steps.
        size: Number of steps in a patch.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``; results ``[B, ceil(T/size), C·size]`` and ``[B, ceil(T/size)]``.
    """
    if size == 1:
        return x, mask
    filler = -x.shape[1] % size
    count = (x.shape[1] + filler) // size
    if mask is not None:
        mask = F.pad(mask, (0, filler)).reshape(x.shape[0], count, -1).any(2)
    return F.pad(x, (0, 0, 0, filler)).reshape(x.shape[0], count, -1), mask


class SeriesEncoder(Encoder):
    """Base of the encoders of series, whose constructors make ``steps``.

    Attributes:
        steps: Standardised steps.
        patch_size: Number of steps for which a token stands.
    """

    steps: Steps
    reads_float32 = True
    patch_size: int = 1

    def token_units(self) -> StepUnits:
        mean = self.steps.standardise.mean
        return StepUnits(self.steps, len(mean), blank=mean, size=self.patch_size)

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set mean and scale of each channel from training series; padding is left out.

        Shape:
            x ``[B, T, in_channels]``, mask ``[B, T]``.
        """
        self.steps.standardise.fit(x, mask)

    def load_raw(self, raw: Any) -> Tensor:
        """Return a series as a tensor, on which transforms act."""
        return self.to_tensor(raw)

    def input_scale(self) -> Tensor:
        """Return the standard deviation of each channel."""
        return self.steps.standardise.scale

    def input_level(self) -> Encoder:
        return StepsInputLevel(self.steps, len(self.steps.standardise.mean), self.input_spec)


class PooledSeriesEncoder(SeriesEncoder, StagedEncoder):
    """Base of those whose output is a pooling of the last stage, and whose tokens are that stage.

    A subclass calls `finish_with` in its constructor.

    Args:
        in_channels: Number of channels of the series.
    """

    pooling: SizedPooling

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.input_spec = InputSpec((None, in_channels), sequence=True)
        self.steps = Steps(in_channels)

    def finish_with(self, pooling: str, taps: Mapping[str, int]) -> None:
        """Set the pooling and what is known of the output.

        Args:
            pooling: Name of a pooling, one of `list_poolings`.
            taps: Channels of each stage by its name.
        """
        self.tap_info = tuple(TapInfo(name, dim, "BTC") for name, dim in taps.items())
        self.embed_dim = self.token_dim = self.tap_info[-1].dim
        self.pooling = SizedPooling(pooling, self.embed_dim)

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        steps, mask = self.steps(x, mask)
        return self.cast(steps), mask

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        last = self.tap_info[-1].name
        tokens, mask = taps[last], tap_masks.get(last)
        return EncoderOutput(self.pooling(tokens, mask), tokens, mask, taps, tap_masks)
