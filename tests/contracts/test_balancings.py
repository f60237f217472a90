"""Every registered balancing against the contract."""

from __future__ import annotations

import pytest

from tasks import create_balancing, list_balancings
from tasks.balancing._base import BALANCINGS
from tests.contracts import task_kit

EXAMPLES: dict[str, dict[str, float]] = {"pcgrad": {}}

each = pytest.mark.parametrize("name", EXAMPLES)


def test_every_balancing_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_balancings())


@each
def test_config_round_trip(name: str) -> None:
    task_kit.check_config_round_trip(create_balancing(name, **EXAMPLES[name]), BALANCINGS)


@each
def test_weights(name: str) -> None:
    task_kit.check_balancing(create_balancing(name, **EXAMPLES[name]))
