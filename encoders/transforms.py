"""What is done to a raw sample before its encoder's own preprocessing, by well-kept libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from encoders._extras import require
from encoders._registry import unknown_name

_LIBRARIES = {
    "torchvision": ("torchvision.transforms.v2", "image"),
    "torchaudio": ("torchaudio.transforms", "audio"),
}


class Transforms:
    """Transforms of one modality, by name, so that they are saved with the model.

    Args:
        always: Applied to every sample, such as ``{"name": "torchvision/Resize", "size": [64, 64]}``;
            the other entries are the transform's own options.
        augment: Applied before these, to training samples only.
    """

    def __init__(
        self, always: Sequence[Mapping[str, Any]] = (), augment: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.config = {"always": [dict(t) for t in always], "augment": [dict(t) for t in augment]}
        self._always = [_make(dict(t)) for t in always]
        self._augment = [_make(dict(t)) for t in augment]

    def __call__(self, x: Any, *, training: bool = False) -> Any:
        for transform in [*(self._augment if training else ()), *self._always]:
            x = transform(x)
        return x


def _make(options: dict[str, Any]) -> Any:
    library, _, name = options.pop("name").partition("/")
    if library not in _LIBRARIES:
        raise unknown_name("library of transforms", library, _LIBRARIES)
    module = require(*_LIBRARIES[library])
    if not hasattr(module, name):
        raise unknown_name(f"transform of {library}", name, dir(module))
    return getattr(module, name)(**options)
