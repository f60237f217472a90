"""Under the tests the contract's dataclasses check their annotated shapes and types."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from beartype import beartype
from jaxtyping import jaxtyped

from sennit.encoders import EncoderOutput
from sennit.fusion import FusionOutput


def check_annotations(cls: type) -> None:
    """Make the dataclass refuse fields that its jaxtyping annotations forbid.

    What jaxtyping's import hook does, but left out while a graph is traced: Dynamo cannot follow it.
    """
    plain: Any = cls.__init__
    checked: Any = jaxtyped(plain, typechecker=beartype)

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        (plain if torch.compiler.is_compiling() else checked)(self, *args, **kwargs)

    cls.__init__ = init


for contract in (EncoderOutput, FusionOutput):
    check_annotations(contract)


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what Lightning hints of tiny runs in memory, and what it uses of torch that is going."""
    hints = (
        "You defined a `validation_step` but",
        "The '.*' does not have many workers",
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    )
    for hint in hints:
        config.addinivalue_line("filterwarnings", f"ignore:{hint}")


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
