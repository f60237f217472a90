"""A back-end as one safetensors file, with its config as JSON and a checksum in the header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sennit.files import write_bytes

_FORMAT = "sennit.verification.Backend"


def write(path: Path, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write the file atomically.

    Raises:
        OSError: It cannot be written; an earlier file is kept.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(config)
    metadata = {"format": _FORMAT, "config": text, "checksum": _checksum(text, contiguous)}
    write_bytes(path, save(contiguous, metadata=metadata))


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the config and the arrays.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is truncated, was changed, or is not a back-end.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file '{path}'. Give one that `Backend.save` wrote.")
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError:
        raise ValueError(f"'{path}' cannot be read as safetensors. Is it truncated?") from None
    if metadata.get("format") != _FORMAT:
        raise ValueError(
            f"'{path}' should be a back-end that `Backend.save` wrote. Found another safetensors file, with "
            f"{sorted(arrays)[:3]}. Does it hold a model?"
        )
    if metadata.get("checksum") != _checksum(metadata["config"], arrays):
        raise ValueError(f"'{path}' was changed since `Backend.save` wrote it. Write it again.")
    config: dict[str, Any] = json.loads(metadata["config"])
    return config, arrays


def _checksum(config: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(config.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape} {arrays[name].dtype}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
