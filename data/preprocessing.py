"""From raw samples to the tensors that encoders read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sennit.data.collate import Sample
from sennit.data.sample_reader import SampleReader
from sennit.data.target_spec import TargetSpec
from sennit.data.token_targets import TokenTargets
from sennit.data.transforms import AugmentationError, Transforms
from sennit.registry import unknown_name


@dataclass(frozen=True)
class Preprocessing:
    """Turns the inputs of a raw sample into tensors: loads files, transforms and converts.

    A modality that is missing or None stays missing.

    Args:
        encoders: Encoder, or another reader, of each modality.
        transforms: Transforms of a modality, between `SampleReader.load_raw` and `SampleReader.to_tensor`.
        training: Whether to augment.
        targets: Specification of each target; labels of words become labels of tokens, and the words of the
            texts that they are of, with the places of their first tokens, are the sample's ``"words"``.

    Raises:
        ValueError: An unknown modality, or a raw value that its encoder cannot read; the modality and the
            sample's index are named.
        AugmentationError: An augmentation failed.
        TypeError: Transforms of a modality that takes none (text, tables).

    Example:
        >>> from sennit.encoders import create_encoder
        >>> resize = Transforms([{"name": "torchvision/Resize", "size": [8, 8]}])
        >>> preprocess = Preprocessing({"image": create_encoder("conv", 1)}, {"image": resize})
        >>> import numpy as np
        >>> sample = preprocess({"inputs": {"image": np.zeros((20, 30), np.uint8)}, "targets": {"y": 1}})
        >>> sample["inputs"]["image"].shape, sample["targets"]
        (torch.Size([1, 8, 8]), {'y': 1})
    """

    encoders: Mapping[str, SampleReader]
    transforms: Mapping[str, Transforms] = field(default_factory=dict)
    training: bool = False
    targets: Mapping[str, TargetSpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.transforms:
            if name not in self.encoders:
                raise unknown_name("modality of `transforms`", name, self.encoders)
            if not self.encoders[name].takes_transforms:
                raise TypeError(
                    f"`transforms` should be of images, recordings or series. Found '{name}', whose encoder "
                    f"is {type(self.encoders[name]).__name__}. Change other inputs in the dataset."
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
                # Not the error's own class: its constructor may need more than a message.
                kinds = (AugmentationError, FileNotFoundError, OSError, TypeError, ValueError, RuntimeError)
                kind = next(k for k in kinds if isinstance(error, k))
                raise kind(f"`inputs['{name}']` of {_which(sample)}: {error}") from error
        return {**sample, "inputs": inputs, **self._of_words(sample, inputs)}

    def _of_words(self, sample: Sample, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return the words of the texts that have labels for each word, and those labels, moved to tokens."""
        specs = {t: s for t, s in self.targets.items() if isinstance(s, TokenTargets)}
        read = {s.along for s in specs.values() if s.along in inputs and self.encoders[s.along].reads_words}
        if not read:
            return {}
        words = {m: self.encoders[m].word_starts(sample["inputs"][m]) for m in read}
        targets = dict(sample.get("targets", {}))
        for task, spec in specs.items():
            if spec.along in words and targets.get(task) is not None:
                try:
                    targets[task] = spec.on_tokens(
                        task, targets[task], words[spec.along], len(inputs[spec.along])
                    )
                except ValueError as error:
                    raise ValueError(f"{_which(sample)}: {error}") from None
        return {"words": words, **({"targets": targets} if "targets" in sample else {})}

    def _read(self, name: str, raw: Any) -> Tensor:
        encoder = self.encoders[name]
        if name in self.transforms:
            raw = self.transforms[name](encoder.load_raw(raw), training=self.training)
        return encoder.to_tensor(raw)


def _which(sample: Sample) -> str:
    return f"the sample with index {sample['index']}" if "index" in sample else "a sample"
