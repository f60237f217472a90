"""Inputs whose column names files: images, sound, series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from sennit.data import Transforms
from sennit.encoders import Encoder
from sennit.recipes.table import media
from sennit.recipes.table.cells import Row
from sennit.recipes.table.inputs import ColumnInput
from torch import Tensor

_WINDOW_S = 0.025  # of audio front-ends, where the encoder's options do not say


@dataclass(frozen=True, kw_only=True)
class ImageInput(ColumnInput):
    """Image files.

    Args:
        column: Column of the paths.
        size: Side in pixels to which every image is resized.
        channels: 3 for colour, 1 for grey.
        encoder: Encoder's name, or a mapping with its name and options.
        transforms: Transforms in place of the resizing to a square.
        augment: Transforms applied before those, in training only.
    """

    kind: ClassVar[str] = "image"
    file: ClassVar[bool] = True
    size: int = 64
    channels: int = 3
    encoder: str | dict[str, Any] = "conv"
    transforms: list[dict[str, Any]] | None = None
    augment: list[dict[str, Any]] = field(default_factory=list)

    def value(self, row: Row) -> Any:
        return media.open_image(row.file(self.column))

    def check(self, row: Row, *, decode: bool) -> str | None:
        media.check_image(row.path(self.column), self.channels, decode=decode)
        return None

    def make_encoder(self) -> Encoder:
        return self._encoder(in_chans=self.channels, image_size=self.size)

    def make_transforms(self) -> Transforms | None:
        resize = {"name": "torchvision/Resize", "size": [self.size, self.size]}
        always = [resize] if self.transforms is None else self.transforms
        return Transforms(always=always, augment=self.augment)


@dataclass(frozen=True, kw_only=True)
class AudioInput(ColumnInput):
    """Sound files; channels are averaged, other rates are resampled.

    Args:
        column: Column of the paths.
        sample_rate: Sample rate of the encoder, in Hz.
        encoder: Encoder's name, or a mapping with its name and options.
        transforms: Transforms of every waveform.
        augment: Transforms applied before those, in training only.
    """

    kind: ClassVar[str] = "audio"
    file: ClassVar[bool] = True
    sample_rate: int
    encoder: str | dict[str, Any] = "logmel_conv"
    transforms: list[dict[str, Any]] = field(default_factory=list)
    augment: list[dict[str, Any]] = field(default_factory=list)

    def value(self, row: Row) -> Any:
        return media.open_sound(row.file(self.column))

    def check(self, row: Row, *, decode: bool) -> str | None:
        header = media.check_sound(row.path(self.column), self.sample_rate, decode=decode)
        if header is None:
            return None
        seconds, rate = header
        self._check_seconds(seconds)
        return None if rate == self.sample_rate else f"not at {self.sample_rate} Hz, so resampled"

    def check_ready(self, x: Tensor) -> None:
        if x.dim() == 1:  # a waveform; some encoders read frames
            self._check_seconds(len(x) / self.sample_rate)

    def _check_seconds(self, seconds: float) -> None:
        options = self.encoder if isinstance(self.encoder, dict) else {}
        window = options.get("window_s", _WINDOW_S)
        if seconds < window:
            raise ValueError(f"it should last at least one window of {window:g} s. Found {seconds:g} s.")

    def make_encoder(self) -> Encoder:
        return self._encoder(sample_rate=self.sample_rate)

    def make_transforms(self) -> Transforms | None:
        if not self.transforms and not self.augment:
            return None
        return Transforms(always=self.transforms, augment=self.augment)


@dataclass(frozen=True, kw_only=True)
class SeriesInput(ColumnInput):
    """Files of series: ``.npy`` or ``.csv`` of [time, channels].

    Args:
        column: Column of the paths.
        channels: Number of channels; None takes that of the first training file.
        encoder: Encoder's name, or a mapping with its name and options.
    """

    kind: ClassVar[str] = "series"
    file: ClassVar[bool] = True
    channels: int | None = None
    encoder: str | dict[str, Any] = "tcn"

    def value(self, row: Row) -> Any:
        return media.read_series(row.file(self.column), self.channels)

    def complete(self, rows: Iterable[Row]) -> Self:
        if self.channels is not None:
            return self
        first: ValueError | None = None
        for row in rows:
            try:
                series = media.read_series(row.file(self.column), None)
            except media.UNREADABLE as error:
                first = first or row.bad(self.column, f"should name a series: {error}")
            else:
                if series is not None:
                    return replace(self, channels=series.shape[1])
        raise first or ValueError(
            f"column '{self.column}' should name files. Found none in the training rows."
        )

    def make_encoder(self) -> Encoder:
        return self._encoder(in_channels=self.channels)
