"""Inputs whose column names files: images, sound, series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from sennit.data import Transforms
from sennit.encoders import Encoder
from sennit.recipes.table import media
from sennit.recipes.table.input import Input
from sennit.recipes.table.parse import PartError
from sennit.recipes.table.row import Row
from torch import Tensor

_WINDOW_S = 0.025  # of the front-ends of sound, where the options do not say


@dataclass(frozen=True, kw_only=True)
class ImageInput(Input):
    """Paths of images.

    Args:
        column: Where the paths are.
        size: Side in pixels to which every image is resized.
        channels: 3 for colour, 1 for grey.
        encoder: A name, or a mapping with a name and options.
        transforms: Instead of resizing to a square.
        augment: Done before that, in training only.
    """

    kind: ClassVar[str] = "image"
    file: ClassVar[bool] = True
    column: str
    size: int = 64
    channels: int = 3
    encoder: str | dict[str, Any] = "conv"
    transforms: list[dict[str, Any]] | None = None
    augment: list[dict[str, Any]] = field(default_factory=list)

    @property
    def column_names(self) -> list[str]:
        return [self.column]

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
class AudioInput(Input):
    """Paths of sound files; several channels are averaged, other rates are resampled.

    Args:
        column: Where the paths are.
        sample_rate: In Hz, at which the encoder works.
        encoder: A name, or a mapping with a name and options.
        transforms: Done to every waveform.
        augment: Done before that, in training only.
    """

    kind: ClassVar[str] = "audio"
    file: ClassVar[bool] = True
    column: str
    sample_rate: int
    encoder: str | dict[str, Any] = "logmel_conv"
    transforms: list[dict[str, Any]] = field(default_factory=list)
    augment: list[dict[str, Any]] = field(default_factory=list)

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def value(self, row: Row) -> Any:
        return media.open_sound(row.file(self.column))

    def check(self, row: Row, *, decode: bool) -> str | None:
        found = media.check_sound(row.path(self.column), self.sample_rate, decode=decode)
        if found is None:
            return None
        seconds, rate = found
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
class SeriesInput(Input):
    """Paths of series: ``.npy`` or ``.csv`` files of [time, channels].

    Args:
        column: Where the paths are.
        channels: How many each has; None takes those of the first training file.
        encoder: A name, or a mapping with a name and options.
    """

    kind: ClassVar[str] = "series"
    file: ClassVar[bool] = True
    column: str
    channels: int | None = None
    encoder: str | dict[str, Any] = "tcn"

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def value(self, row: Row) -> Any:
        return media.read_series(row.file(self.column), self.channels)

    def complete(self, rows: Iterable[Row]) -> Self:
        if self.channels is not None:
            return self
        fault: ValueError | None = None
        for row in rows:
            try:
                found = media.read_series(row.file(self.column), None)
            except media.UNREADABLE as error:
                fault = fault or row.bad(self.column, f"should name a series: {error}")
            else:
                if found is not None:
                    return replace(self, channels=found.shape[1])
        raise fault or PartError(
            f"column '{self.column}' should name files. Found none in the training rows."
        )

    def make_encoder(self) -> Encoder:
        return self._encoder(in_channels=self.channels)
