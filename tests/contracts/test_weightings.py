"""Every registered weighting against the contract."""

from __future__ import annotations

from typing import Any

import pytest

from sennit.tasks import Classification, MultiLabel, Regression, Weighting, create_weighting, list_weightings
from sennit.tasks.weighting._base import WEIGHTINGS
from sennit.testing import check_weighting
from sennit.testing.task_kit import check_config_round_trip

EXAMPLES: dict[str, dict[str, Any]] = {
    "dwa": {"temperature": 1.0},
    "equal": {},
    "famo": {"lr": 0.1},
    "fixed": {"weights": {"y": 0.5, "w": 2.0}},
    "geometric": {},
    "gradnorm": {"lr": 0.1},
    "imtl_l": {},
    "random": {},
    "running_deviation": {"decay": 0.9},
    "uncertainty": {},
}
TASKS = {"y": Classification(3), "z": Regression(), "w": MultiLabel(2)}

each = pytest.mark.parametrize("name", EXAMPLES)


def make(name: str) -> Weighting:
    return create_weighting(name, **EXAMPLES[name])


def test_every_weighting_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_weightings())


@each
def test_config_round_trip(name: str) -> None:
    check_config_round_trip(make(name), WEIGHTINGS)


@each
def test_contract(name: str) -> None:
    """⚑"""
    check_weighting(lambda: make(name), TASKS)
