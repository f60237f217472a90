"""Under the tests the contract's dataclasses check their annotated shapes and types."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from beartype import beartype
from jaxtyping import jaxtyped

from encoders import EncoderOutput
from fusion import FusionOutput


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


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    torch.manual_seed(0)
