"""The parts of a back-end as plain values and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from sennit.tasks.verification.calibration import Calibration
from sennit.tasks.verification.domain import Domain
from sennit.tasks.verification.impostors import Impostors
from sennit.tasks.verification.lda import LDA
from sennit.tasks.verification.plda import PLDA

_ARRAYS: Mapping[str, type[Any]] = {"lda": LDA, "plda": PLDA, "domain": Domain}
_PLAIN: Mapping[str, Any] = {"calibration": Calibration, "impostors": Impostors}
PARTS = (*_ARRAYS, *_PLAIN)


def flattened(parts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the values of parts as JSON, and their arrays by ``part.field``; None is left out."""
    config: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, part in parts.items():
        if part is None:
            continue
        values = {field.name: getattr(part, field.name) for field in fields(part)}
        arrays |= {f"{name}.{k}": v for k, v in values.items() if isinstance(v, np.ndarray)}
        config[name] = {k: v for k, v in values.items() if not isinstance(v, np.ndarray)}
    return config, arrays


def restored(config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the parts that `flattened` took apart."""
    parts: dict[str, Any] = {}
    for name, part in _ARRAYS.items():
        values = {key.removeprefix(f"{name}."): x for key, x in arrays.items() if key.startswith(f"{name}.")}
        if values:
            parts[name] = part(**values, **config.get(name, {}))
    return parts | {name: part.from_dict(config[name]) for name, part in _PLAIN.items() if config.get(name)}
