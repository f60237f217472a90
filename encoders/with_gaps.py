"""Any encoder of series over series with gaps and time stamps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from sennit.data.gap_channels import gap_channels
from sennit.encoders._base import Encoder
from sennit.encoders._create import ENCODERS, register_encoder
from sennit.encoders.token_units import TokenUnits
from sennit.encoders.types import EncoderOutput


@register_encoder("with_gaps")
class GapEncoder(Encoder):
    """An encoder of series that reads which values were observed, and how long ago each channel was.

    `to_tensor` reads series in which NaN marks a gap, and gives the encoder three channels for each of
    theirs: the value, its mask and the elapsed time; see `gap_channels`.

    Source: Che et al. 2018, "Recurrent Neural Networks for Multivariate Time Series with Missing Values".

    Args:
        encoder: Encoder of series by name, such as ``"tcn"``, which then gets ``in_channels``; or its config.
        channels: Number of channels of the series.
        times: Whether the first column of a raw series holds time stamps, before its channels.
        **options: Options of that encoder, where a name is given.

    Shape:
        ``[B, T, 3 channels]``, mask ``[B, T]``; output as of the encoder. Raw: ``[T, channels]``, with time
        stamps ``[T, 1 + channels]``.

    Raises:
        ValueError: The encoder does not read series of three times the channels.

    Example:
        >>> import torch
        >>> encoder = GapEncoder("tcn", channels=2, width=8)
        >>> x = encoder.to_tensor([[1.0, float("nan")], [float("nan"), 3.0]])
        >>> x.shape, encoder(x[None]).pooled.shape
        (torch.Size([2, 6]), torch.Size([1, 8]))
    """

    raw_samples: ClassVar[str] = "an array or a list of steps, with NaN in gaps"
    _sizes: ClassVar[tuple[str, ...]] = ("channels",)

    def __init__(
        self, encoder: str | Mapping[str, Any], channels: int, *, times: bool = False, **options: Any
    ) -> None:
        super().__init__()
        self.channels, self.times = channels, times
        if isinstance(encoder, str):
            self.series = ENCODERS.create(encoder, in_channels=3 * channels, **options)
        else:
            self.series = ENCODERS.build({**encoder, **options})
        self.input_spec = self.series.input_spec
        if self.input_spec.shape != (None, 3 * channels):
            raise ValueError(
                f"`encoder` should read series of {3 * channels} channels. Found "
                f"'{self.series.registry_name}', which reads {self.input_spec.describe()}."
            )
        self.embed_dim, self.token_dim = self.series.embed_dim, self.series.token_dim
        self.tap_info, self.reads_float32 = self.series.tap_info, self.series.reads_float32
        self.sees_padding = self.series.sees_padding

    @property
    def config(self) -> dict[str, Any]:
        """The options, with the config of the encoder, from which it is rebuilt."""
        name = type(self).__dict__.get("registry_name", "")
        return {"name": name, "encoder": self.series.config, "channels": self.channels, "times": self.times}

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        out: EncoderOutput = self.series(x, mask)
        return out

    def to_tensor(self, raw: Any) -> Tensor:
        """Return values, masks and elapsed times of a series.

        Raises:
            ValueError: The series has another number of columns.
        """
        x = np.asarray(raw, dtype=np.float64)
        columns = self.channels + self.times
        if x.ndim != 2 or x.shape[1] != columns:
            stamps = "time stamps and " if self.times else ""
            raise ValueError(
                f"a series should have {columns} columns: {stamps}{self.channels} channels. Found the shape "
                f"{x.shape}."
            )
        return gap_channels(x[:, 1:], x[:, 0].tolist()) if self.times else gap_channels(x)

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Fit the encoder's preprocessing."""
        self.series.fit(x, mask)

    def input_scale(self) -> Tensor | None:
        """Return the fitted scale of the channels."""
        return self.series.input_scale()

    def token_units(self) -> TokenUnits | None:
        """Return what the encoder's tokens stand for."""
        return self.series.token_units()

    def input_level(self) -> Encoder:
        return self.series.input_level()

    def layer_of_each(self) -> dict[str, int]:
        """Return the layer of each parameter of the encoder."""
        return {f"series.{name}": layer for name, layer in self.series.layer_of_each().items()}

    def save_assets(self, folder: Path) -> None:
        """Write the assets of the encoder."""
        self.series.save_assets(folder)

    def load_assets(self, folder: Path) -> None:
        """Read the assets of the encoder."""
        self.series.load_assets(folder)
