"""Every registered balancing against the contract."""

from __future__ import annotations

from typing import Any

import pytest

from tasks import create_balancing, list_balancings
from tasks.balancing._base import BALANCINGS, LEVELS
from tests.contracts import task_kit

EXAMPLES: dict[str, dict[str, Any]] = {
    "aligned_mtl": {},
    "cagrad": {"c": 0.5},
    "gradvac": {"beta": 0.1},
    "imtl_g": {},
    "mgda": {},
    "nash_mtl": {},
    "pcgrad": {},
    "upgrad": {"level": "parameters"},
}

each = pytest.mark.parametrize("name", EXAMPLES)


def test_every_balancing_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_balancings())


@each
def test_config_round_trip(name: str) -> None:
    task_kit.check_config_round_trip(create_balancing(name, **EXAMPLES[name]), BALANCINGS)


@each
def test_weights(name: str) -> None:
    task_kit.check_balancing(lambda: create_balancing(name, **EXAMPLES[name]))


@each
def test_directions(name: str) -> None:
    task_kit.check_balancing_directions(lambda: create_balancing(name, **EXAMPLES[name]))


@each
def test_state_round_trip(name: str) -> None:
    task_kit.check_balancing_state_round_trip(lambda: create_balancing(name, **EXAMPLES[name]))


@each
@pytest.mark.parametrize("level", LEVELS)
def test_every_balancing_takes_either_level(name: str, level: str) -> None:
    assert create_balancing(name, level=level).config["level"] == level
