"""Settings by name: how much work a model is worth."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Seconds: a look at the data, and at what a model could reach.
        "fast": {"epochs": 3, "width": 32, "batch_size": 64, "lr": 5e-3, "separate": False, "alone": False},
        # A net, one for each of several targets and of several inputs, boosted trees and kernel machines.
        "medium": {},
        # The members of medium for each of five folds of the rows, each net for longer.
        "best": {"steps": 3000, "folds": 5},
    }
)
"""Options of `Config` by the name of the preset; those that one gives stand above them."""
