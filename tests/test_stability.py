"""Experimental and deprecated parts warn once, and are otherwise as they were."""

import inspect
import warnings

import pytest

from sennit.configurable import Configurable
from sennit.registry import Registry
from sennit.stability import ExperimentalWarning, deprecated, experimental


def test_an_experimental_part_warns_once_and_keeps_its_config() -> None:
    registry: Registry[Configurable] = Registry("colour")

    @registry.register("red")
    @experimental
    class Red(Configurable):
        def __init__(self, depth: int = 1, **more: int) -> None:
            self.depth, self.more = depth, more

    with pytest.warns(ExperimentalWarning, match="'Red' is experimental: it may change in any release"):
        made = registry.create("red", depth=2, hue=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = registry.build(made.config)
    assert made.config == again.config == {"name": "red", "depth": 2, "hue": 3}
    assert [*inspect.signature(Red).parameters] == ["depth", "more"]


def test_a_part_without_a_constructor_of_its_own() -> None:
    class Parent(Configurable):
        def __init__(self, depth: int = 1) -> None:
            self.depth = depth

    @experimental
    class Child(Parent):
        pass

    with pytest.warns(ExperimentalWarning, match="'Child'"):
        assert Child(depth=3).config["depth"] == 3
    assert Parent(4).depth == 4


def test_a_deprecated_function_names_what_replaces_it() -> None:
    @deprecated(since="0.2", use="braid")
    def plait(strands: int) -> int:
        return strands

    with pytest.warns(FutureWarning, match=r"'plait' is deprecated since 0.2 .* Use 'braid'"):
        assert plait(3) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plait(4) == 4
