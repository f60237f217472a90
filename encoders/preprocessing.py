"""From raw samples to the tensors that encoders read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from encoders._base import Encoder
from encoders._registry import unknown_name
from encoders.collate import Sample
from encoders.transforms import Transforms


@dataclass(frozen=True)
class Preprocessing:
    """Reads the inputs of a raw sample: decodes files, transforms, and makes tensors.

    Args:
        encoders: By modality; each knows how to read its own.
        transforms: By modality; what is done in between.
        training: Whether to augment.
    """

    encoders: Mapping[str, Encoder]
    transforms: Mapping[str, Transforms] = field(default_factory=dict)
    training: bool = False

    def __call__(self, sample: Sample) -> Sample:
        inputs = {}
        for name, raw in sample["inputs"].items():
            if name not in self.encoders:
                raise unknown_name("modality", name, self.encoders)
            if raw is None:
                continue
            encoder = self.encoders[name]
            if name in self.transforms:
                raw = self.transforms[name](encoder.read(raw), training=self.training)
            inputs[name] = encoder.preprocess(raw)
        return {**sample, "inputs": inputs}
