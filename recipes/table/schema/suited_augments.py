"""Which augmentations of ours a kind of input takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sennit.data.augment import AUGMENTS, list_augments

_PACKAGES = {"audio": ("waveform", "augment"), "series": ("series", "augment"), "image": ()}
"""Packages of the augmentations of a kind, by the last part of their names; pictures here are no tensors."""


def check_augments(kind: str, transforms: Sequence[Mapping[str, Any]]) -> None:
    """Refuse an augmentation of ours that changes another kind of value, before it meets a file.

    Args:
        kind: Kind of the input.
        transforms: Transforms by name, as a schema has them.

    Raises:
        ValueError: An augmentation does not suit; those that do are named.

    Example:
        >>> check_augments("image", [{"name": "jitter"}])
        Traceback (most recent call last):
        ValueError: the augmentation 'jitter' changes no image. Take one of torchvision: 'torchvision/NAME'.
    """
    suited = [name for name in list_augments() if _package(name) in _PACKAGES[kind]]
    for spec in transforms:
        if spec.get("name") in list_augments() and spec["name"] not in suited:
            fix = f"Known: {', '.join(suited)}." if suited else "Take one of torchvision: 'torchvision/NAME'."
            raise ValueError(f"the augmentation '{spec['name']}' changes no {kind}. {fix}")


def _package(name: str) -> str:
    return AUGMENTS.get(name).__module__.split(".")[-2]
