"""From raw samples to the tensors that encoders read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sennit.data.collate import Sample
from sennit.data.transforms import Transforms
from torch import Tensor

from sennit.registry import unknown_name


class RawReader(Protocol):
    """The part of an encoder that reads raw samples."""

    @property
    def takes_transforms(self) -> bool:
        """Whether `load_raw` gives an image or a waveform, which transforms work on."""

    def load_raw(self, raw: Any) -> Any:
        """Decode a raw sample, up to what transforms work on."""

    def to_tensor(self, raw: Any) -> Tensor:
        """Turn a raw or transformed sample into the tensor that the encoder reads."""


@dataclass(frozen=True)
class Preprocessing:
    """Reads the inputs of a raw sample: decodes files, transforms, and makes tensors.

    A modality that is left out, or None, stays out.

    Args:
        encoders: By modality; each knows how to read its own.
        transforms: By modality; what is done after `Encoder.load_raw` and before `Encoder.to_tensor`.
        training: Whether to augment.

    Raises:
        ValueError: An unknown modality; or a raw value that its encoder cannot read, with the modality
            and the sample's index.
        TypeError: Transforms of a modality that has none (text, tables, series).

    Example:
        >>> from sennit.encoders import create_encoder
        >>> resize = Transforms([{"name": "torchvision/Resize", "size": [8, 8]}])
        >>> preprocess = Preprocessing({"image": create_encoder("conv", 1)}, {"image": resize})
        >>> import numpy as np
        >>> sample = preprocess({"inputs": {"image": np.zeros((20, 30), np.uint8)}, "targets": {"y": 1}})
        >>> sample["inputs"]["image"].shape, sample["targets"]
        (torch.Size([1, 8, 8]), {'y': 1})
    """

    encoders: Mapping[str, RawReader]
    transforms: Mapping[str, Transforms] = field(default_factory=dict)
    training: bool = False

    def __post_init__(self) -> None:
        for name in self.transforms:
            if name not in self.encoders:
                raise unknown_name("modality of `transforms`", name, self.encoders)
            if not self.encoders[name].takes_transforms:
                raise TypeError(
                    f"`transforms` should be of images or recordings. Found '{name}', whose encoder is "
                    f"{type(self.encoders[name]).__name__}. Change other inputs in the dataset."
                )

    def __call__(self, sample: Sample) -> Sample:
        inputs = {}
        for name, raw in sample["inputs"].items():
            if name not in self.encoders:
                raise unknown_name("modality", name, self.encoders)
            if raw is None:
                continue
            try:
                inputs[name] = self._read(name, raw)
            except (ValueError, TypeError, OSError, RuntimeError) as error:
                # Not of the error's own class, whose constructor may ask for more than a message.
                kinds = (FileNotFoundError, OSError, TypeError, ValueError, RuntimeError)
                kind = next(k for k in kinds if isinstance(error, k))
                which = f"the sample with index {sample['index']}" if "index" in sample else "a sample"
                raise kind(f"`inputs['{name}']` of {which}: {error}") from error
        return {**sample, "inputs": inputs}

    def _read(self, name: str, raw: Any) -> Tensor:
        encoder = self.encoders[name]
        if name in self.transforms:
            raw = self.transforms[name](encoder.load_raw(raw), training=self.training)
        return encoder.to_tensor(raw)
