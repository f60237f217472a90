"""Transforms of a raw sample before its encoder's own preprocessing, by torchvision and torchaudio."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from sennit.extras import require
from sennit.registry import unknown_name

_LIBRARIES = {
    "torchvision": ("torchvision.transforms.v2", "image"),
    "torchaudio": ("torchaudio.transforms", "audio"),
}
_NOT_JSON = ("Transform", "Lambda", "Compose")  # abstract, of a function, and a list of transforms

Spec = Mapping[str, Any]


class Transforms:
    """Transforms of one modality, by name, so that they are saved with the model.

    They act on what `SampleReader.load_raw` returns: an image (PIL, or a tensor ``[C, H, W]`` where PIL has
    no such image), or a waveform ``[T]`` at the encoder's rate. Text, tables and series have none:
    change those in the dataset.
    Source: torchvision's ``transforms.v2`` and torchaudio's ``transforms``. Both draw from torch's random
    numbers, so `ResumableLoader` gives the same augmentations with any number of workers.

    Args:
        always: Transforms of every sample, such as ``{"name": "torchvision/Resize", "size": [64, 64]}``;
            the other entries are options of the transform. An option that takes transforms
            (``RandomApply``) takes such entries.
        augment: Transforms applied before these, to training samples only.

    Raises:
        ValueError: Unknown library or transform; close matches are named. Or the transform refuses the
            value of an option.
        TypeError: Options that the transform does not take, or that JSON cannot hold.
        ImportError: The library is not installed.

    Example:
        >>> transforms = Transforms(
        ...     always=[{"name": "torchvision/Resize", "size": [8, 8]}],
        ...     augment=[{"name": "torchvision/RandomHorizontalFlip", "p": 1.0}],
        ... )
        >>> import torch
        >>> transforms(torch.rand(3, 20, 30), training=True).shape
        torch.Size([3, 8, 8])
        >>> Transforms([{"name": "torchvison/Resize", "size": 8}])
        Traceback (most recent call last):
        ValueError: unknown library of transforms 'torchvison'. Did you mean 'torchvision' or 'torchaudio'?
    """

    def __init__(self, always: Sequence[Spec] = (), augment: Sequence[Spec] = ()) -> None:
        self.config = {"always": [_plain(t) for t in always], "augment": [_plain(t) for t in augment]}
        self._always = [_make(t) for t in self.config["always"]]
        self._augment = [_make(t) for t in self.config["augment"]]

    def __call__(self, x: Any, *, training: bool = False) -> Any:
        for transform in [*(self._augment if training else ()), *self._always]:
            x = transform(x)
            if isinstance(x, tuple) and type(transform).__module__.startswith("torchaudio"):
                x = x[0]  # transforms of the speed return the new lengths too
        return x


def _plain(spec: Any) -> dict[str, Any]:
    """Return a transform's entry as JSON reads it back, so that a saved model does exactly the same."""
    if not isinstance(spec, Mapping) or "name" not in spec:
        raise TypeError(
            f"a transform should be given by name, as {{'name': 'torchvision/Resize', 'size': [64, 64]}}, "
            f"to be saved with the model. Found {spec!r}. Apply other transforms in the dataset."
        )
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(spec)))
    except TypeError as error:
        raise TypeError(
            f"options of the transform '{spec['name']}' should be plain JSON values. Found {dict(spec)} "
            f"({error}). An interpolation can be given by its number."
        ) from None
    return plain


def _make(spec: Any) -> Any:
    """Return transforms for entries of transforms, and other values unchanged."""
    if isinstance(spec, list):
        return [_make(value) for value in spec]
    if not isinstance(spec, dict) or "name" not in spec:
        return spec
    library, _, name = str(spec["name"]).partition("/")
    if library not in _LIBRARIES:
        raise unknown_name("library of transforms", library, _LIBRARIES)
    module = require(*_LIBRARIES[library])
    classes = {
        key: cls
        for key, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, nn.Module) and key not in _NOT_JSON
    }
    if name not in classes:
        raise unknown_name(f"transform of {library}", name, classes)
    options = {key: _make(value) for key, value in spec.items() if key != "name"}
    signature = inspect.signature(classes[name])
    try:
        signature.bind(**options)
    except TypeError as error:
        raise TypeError(f"transform '{library}/{name}': {error}. It takes {signature}.") from None
    try:
        return classes[name](**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"transform '{library}/{name}' refuses {options}: {error}.") from None
