"""Inputs whose column names files: images, sound, series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from torch import Tensor

from sennit.data import Transforms
from sennit.data.augment import AUGMENTS, list_augments
from sennit.encoders import Encoder, create_encoder
from sennit.recipes.table.reading import media
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.inputs import ColumnInput
from sennit.recipes.table.schema.suited_augments import check_augments
from sennit.registry import check_names

_WINDOW_S = 0.025  # of audio front-ends, where the encoder's options do not say


@dataclass(frozen=True, kw_only=True)
class FileInput(ColumnInput):
    """Base of the kinds whose column names files.

    Args:
        folder: Folder of the files, relative to the table's.
        ending: Ending of the files that the cells leave out, such as ``.jpg``.
    """

    file: ClassVar[bool] = True
    folder: str = ""
    ending: str = ""

    def make_check(self) -> Callable[[Any, bool], str | None]:
        return self.check_file

    def check_file(self, file: Any, whole: bool) -> str | None:
        """Refuse a file that cannot be read; return a remark about it, if there is one to make.

        Args:
            file: Path or contents.
            whole: Whether to read it to the end rather than its header only.
        """
        raise NotImplementedError

    def read(self, rows: Rows) -> Sequence[Any]:
        return rows.files(self.column, folder=self.folder, ending=self.ending)


@dataclass(frozen=True, kw_only=True)
class ImageInput(FileInput):
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
    shape: ClassVar[tuple[int, bool] | None] = (3, True)
    size: int = 64
    channels: int = 3
    encoder: str | dict[str, Any] = field(default_factory=lambda: {"name": "conv", "grid": 4})
    transforms: list[dict[str, Any]] | None = None
    augment: list[dict[str, Any]] = field(default_factory=list)

    def check_file(self, file: Any, whole: bool) -> str | None:
        media.check_image(file, self.channels, decode=whole)
        return None

    def make_encoder(self) -> Encoder:
        return self._encoder(in_chans=self.channels, image_size=self.size)

    def make_transforms(self) -> Transforms | None:
        check_augments(self.kind, [*(self.transforms or []), *self.augment])
        resize = {"name": "torchvision/Resize", "size": [self.size, self.size]}
        always = [resize] if self.transforms is None else self.transforms
        return Transforms(always=always, augment=self.augment)


@dataclass(frozen=True, kw_only=True)
class AudioInput(FileInput):
    """Sound files; channels are averaged, other rates are resampled.

    Args:
        column: Column of the paths.
        sample_rate: Sample rate of the encoder, in Hz.
        encoder: Encoder's name, or a mapping with its name and options.
        transforms: Transforms of every waveform.
        augment: Transforms applied before those, in training only.
    """

    kind: ClassVar[str] = "audio"
    sample_rate: int
    encoder: str | dict[str, Any] = "sound_statistics"
    transforms: list[dict[str, Any]] = field(default_factory=list)
    augment: list[dict[str, Any]] = field(default_factory=list)

    def check_file(self, file: Any, whole: bool) -> str | None:
        seconds, rate = media.check_sound(file, self.sample_rate, decode=whole)
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
        check_augments(self.kind, [*self.transforms, *self.augment])
        always, augment = ([self._at_rate(t) for t in ts] for ts in (self.transforms, self.augment))
        return Transforms(always, augment)

    def _at_rate(self, transform: dict[str, Any]) -> dict[str, Any]:
        """Add the rate to an augmentation that asks for it."""
        name = str(transform.get("name"))
        asks = name in list_augments() and "sample_rate" in AUGMENTS.signature(name).parameters
        return {"sample_rate": self.sample_rate, **transform} if asks else transform


@dataclass(frozen=True, kw_only=True)
class SeriesInput(FileInput):
    """Files of series: ``.npy`` or ``.csv`` of [time, channels].

    Args:
        column: Column of the paths.
        channels: Number of channels; None takes that of the first training file.
        columns: Names of the columns of ``.csv`` files to read; all by default.
        gaps: ``"fill"`` to fill a missing value with the one before; ``"refuse"`` to refuse the file;
            ``"mask"`` to fill it and give the encoder two further channels for each: whether the value was
            observed, and how long ago one was.
        encoder: Encoder's name, or a mapping with its name and options.
        augment: Augmentations of the series, in training only.
    """

    kind: ClassVar[str] = "series"
    shape: ClassVar[tuple[int, bool] | None] = (2, True)
    channels: int | None = None
    columns: list[str] = field(default_factory=list)
    gaps: str = "fill"
    encoder: str | dict[str, Any] = "series_conv"
    augment: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_names("value of `gaps`", [self.gaps], ("fill", "refuse", "mask"))

    def load(self, value: Any) -> Any:
        return self._series(value).x

    def check_file(self, file: Any, whole: bool) -> str | None:
        how = "marked for the encoder" if self.gaps == "mask" else "filled with the values before"
        return f"has gaps, {how}" if self._series(file).filled else None

    def _series(self, file: Any) -> media.Series:
        return media.read_series(file, self.channels, columns=self.columns, gaps=self.gaps)

    def complete(self, rows: Rows) -> Self:
        if self.channels is not None:
            return self
        fault: ValueError | None = None
        for i, file in enumerate(self.read(rows)):
            try:
                if file is not None:
                    return replace(self, channels=self._series(file).x.shape[1])
            except media.UNREADABLE as error:
                fault = fault or rows.fault(i, self.column, f"should name a series: {error}")
        raise fault or ValueError(
            f"column '{self.column}' should name files. Found none in the training rows."
        )

    def make_encoder(self) -> Encoder:
        if self.gaps != "mask":
            return self._encoder(in_channels=self.channels)
        encoder = self._encoder(in_channels=3 * (self.channels or 0))
        return create_encoder("with_gaps", encoder.config, channels=self.channels)

    def make_transforms(self) -> Transforms | None:
        check_augments(self.kind, self.augment)
        return Transforms(augment=self.augment) if self.augment else None
