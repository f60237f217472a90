"""The options that every task takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from sennit.ramp import Ramp
from sennit.tasks.contract.feature_source import FeatureSource


class TaskOptions(TypedDict, total=False):
    """The options that every task takes, beside those of its kind; see `Task`."""

    reads: tuple[str, ...] | None
    view: str
    drawn: str | None
    loaders: tuple[str, ...] | None
    sources: Mapping[str, FeatureSource] | FeatureSource | None
    through: str | None
    gradient_scale: float | Ramp
    reversal: float | Ramp
    weighted: bool | None
