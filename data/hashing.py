"""Hashes of the contents of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def add_tensors(digest: Any, kind: str, tensors: Mapping[str, Tensor]) -> None:
    """Update a hash with names, types, shapes and values of tensors.

    Args:
        digest: Hash of `hashlib`.
        kind: Name of the group of tensors.
        tensors: Tensors by name.

    Example:
        >>> import hashlib
        >>> one, other = hashlib.sha256(), hashlib.sha256()
        >>> add_tensors(one, "x", {"a": torch.zeros(2)}); add_tensors(other, "x", {"a": torch.zeros(2, 1)})
        >>> one.hexdigest() == other.hexdigest()
        False
    """
    for name in sorted(tensors):
        x = tensors[name].detach().cpu().contiguous()
        digest.update(f"{kind} {name} {x.dtype} {tuple(x.shape)}".encode())
        if x.numel():
            digest.update(x.reshape(-1).view(torch.uint8).numpy())
