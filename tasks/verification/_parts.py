"""The parts of a back-end as plain values and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from sennit.tasks.verification._scoring import Scoring
from sennit.tasks.verification.calibration import Calibration
from sennit.tasks.verification.domain import Domain
from sennit.tasks.verification.impostors import Impostors
from sennit.tasks.verification.lda import LDA
from sennit.tasks.verification.plda import PLDA

_ARRAYS: Mapping[str, type[Any]] = {"lda": LDA, "plda": PLDA, "domain": Domain}
_PLAIN: Mapping[str, Any] = {"calibration": Calibration, "impostors": Impostors}
_BESIDE = "beside"


def packed(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the attributes of a back-end as JSON, and their arrays by ``part.field``; None has no array."""
    config: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif name == _BESIDE and value is not None:
            config[name], inner = packed(vars(value))
            arrays |= {f"{_BESIDE}.{key}": array for key, array in inner.items()}
        elif name in (*_ARRAYS, *_PLAIN) and value is not None:
            values = {field.name: getattr(value, field.name) for field in fields(value)}
            arrays |= {f"{name}.{k}": v for k, v in values.items() if isinstance(v, np.ndarray)}
            config[name] = {k: v for k, v in values.items() if not isinstance(v, np.ndarray)}
        else:
            config[name] = value
    return config, arrays


def unpacked(config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the attributes that `packed` took."""
    state: dict[str, Any] = {**config, **{name: x for name, x in arrays.items() if "." not in name}}
    for name, part in _ARRAYS.items():
        values = _below(name, arrays)
        if values:
            state[name] = part(**values, **(config.get(name) or {}))
    for name, part in _PLAIN.items():
        if config.get(name):
            state[name] = part.from_dict(config[name])
    if config.get(_BESIDE):
        inner = unpacked(config[_BESIDE], _below(_BESIDE, arrays))
        state[_BESIDE] = Scoring(inner["kind"])
        vars(state[_BESIDE]).update(inner)
    return state


def _below(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key.removeprefix(f"{name}."): x for key, x in arrays.items() if key.startswith(f"{name}.")}
