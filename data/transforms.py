"""Transforms of a raw sample before its encoder's own preprocessing: ours, torchvision's, torchaudio's."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from sennit.data.augment import AUGMENTS, Augmentation
from sennit.extras import require
from sennit.registry import unknown_name

_LIBRARIES = {
    "torchvision": ("torchvision.transforms.v2", "image"),
    "torchaudio": ("torchaudio.transforms", "audio"),
}
_NOT_JSON = ("Transform", "Lambda", "Compose")  # abstract, of a function, and a list of transforms

Spec = Mapping[str, Any]


class AugmentationError(ValueError):
    """An augmentation failed on a sample: a fault of its options, and not of the sample's file."""


class Transforms:
    """Transforms of one modality, by name, so that they are saved with the model.

    They act on what `SampleReader.load_raw` returns: an image (PIL, or a tensor ``[C, H, W]`` where PIL has
    no such image), a waveform ``[T]`` at the encoder's rate, or a series ``[T, C]``. Text and tables have
    none: change those in the dataset.
    Source: the augmentations of `sennit.data.augment` by their names, such as ``jitter``; torchvision's
    ``transforms.v2`` and torchaudio's ``transforms`` behind the library's. All draw from torch's random
    numbers, so `ResumableLoader` gives the same augmentations with any number of workers.

    Args:
        always: Transforms of every sample, such as ``{"name": "torchvision/Resize", "size": [64, 64]}``;
            the other entries are options of the transform. An option that takes transforms
            (``RandomApply``, ``one_of``) takes such entries.
        augment: Transforms applied before these, to training samples only.

    Raises:
        ValueError: Unknown library or transform; close matches are named. Or the transform refuses the
            value of an option, or changes a sample by the others of its batch.
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
        >>> Transforms(augment=[{"name": "jitter", "sigma": 0.1}])(torch.ones(9, 3), training=True).shape
        torch.Size([9, 3])
        >>> Transforms([{"name": "torchvison/Resize", "size": 8}])
        Traceback (most recent call last):
        ValueError: unknown library of transforms 'torchvison'. Did you mean 'torchvision' or 'torchaudio'?
    """

    def __init__(self, always: Sequence[Spec] = (), augment: Sequence[Spec] = ()) -> None:
        self.config = {"always": [_plain(t) for t in always], "augment": [_plain(t) for t in augment]}
        self._always = [_make(t) for t in self.config["always"]]
        self._augment = [_make(t) for t in self.config["augment"]]

    def __call__(self, x: Any, *, training: bool = False) -> Any:
        """Return a transformed sample.

        Raises:
            AugmentationError: One of ``augment`` failed.
        """
        for spec, transform in zip(self.config["augment"], self._augment, strict=True) if training else ():
            try:
                x = _apply(transform, x)
            except Exception as error:
                raise AugmentationError(
                    f"the augmentation '{spec['name']}' failed: {error} The file is not at fault: change the "
                    f"options of the augmentation, or leave it out."
                ) from error
        for transform in self._always:
            x = _apply(transform, x)
        return x


def _apply(transform: Any, x: Any) -> Any:
    if not isinstance(transform, Augmentation):
        x = transform(x)
        # Transforms of the speed return the new lengths too.
        return x[0] if isinstance(x, tuple) and type(transform).__module__.startswith("torchaudio") else x
    if not isinstance(x, Tensor):
        raise TypeError(f"it changes tensors. Found {type(x).__name__}. For images take one of torchvision.")
    out = transform(x.unsqueeze(0))
    return out.x[0] if out.mask is None else out.x[0][out.mask[0]]


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
    if not isinstance(spec, dict):
        return spec
    if "name" not in spec:
        return {key: _make(value) for key, value in spec.items()}
    library, slash, name = str(spec["name"]).partition("/")
    if not slash:
        return _make_augmentation(library, {k: _make(v) for k, v in spec.items() if k != "name"})
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


def _make_augmentation(name: str, options: Mapping[str, Any]) -> Augmentation:
    if name not in AUGMENTS.list():
        libraries = " and ".join(f"'{library}/…'" for library in _LIBRARIES)
        raise unknown_name(f"augmentation (those of libraries are called {libraries})", name, AUGMENTS.list())
    augmentation = AUGMENTS.create(name, **options)
    if augmentation.reads_batch:
        raise ValueError(
            f"the augmentation '{name}' changes a sample by the others of its batch, of which a transform "
            f"sees none. Give it to a view of batches (`ViewTransform`)."
        )
    return augmentation
