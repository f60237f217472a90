"""The registry of encoders."""

from __future__ import annotations

from typing import Any

from sennit.encoders._base import Encoder
from sennit.registry import Registry

ENCODERS: Registry[Encoder] = Registry("encoder")
register_encoder = ENCODERS.register


def create_encoder(name: str, *args: Any, **options: Any) -> Encoder:
    """Make an encoder by name: ``create_encoder("timm/resnet18", in_chans=1)``.

    Raises:
        TypeError: ``name`` is not a string, or a required argument is missing.
        ValueError: Unknown name or option; close matches are named.
    """
    return ENCODERS.create(name, *args, **options)


def list_encoders(pattern: str = "*") -> list[str]:
    """Return the names of the encoders that match a shell pattern.

    A name that ends in ``/`` is a family; ``list_encoders("timm/resnet*")`` returns its members.

    Example:
        >>> list_encoders("timm/resnet18*")
        ['timm/resnet18', 'timm/resnet18d']
    """
    return ENCODERS.list(pattern)
