"""Compilation of a model for the time of its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from sennit.tasks.model.model import MultiTaskModel

_COMPILED = ("encode", "fuse")


@contextmanager
def compiled(model: MultiTaskModel, options: Mapping[str, Any] | None) -> Iterator[None]:
    """Compile encoders and fusion within the block; afterwards the model is as before.

    Args:
        model: Model to train.
        options: Arguments of `torch.compile`; None leaves the model alone.

    Raises:
        ValueError: The sharing acts between the stages of encoders, which then are no graph of their own.
    """
    if options is None:
        yield
        return
    if model.sharing.exchanges or model.sharing.attends:
        raise ValueError(
            f"`compile` should be False with a sharing that acts between the stages of encoders. Found "
            f"'{model.sharing.registry_name}'."
        )
    columns = model.fused_encoders
    # An attribute of the instance hides the method; left there, a copy of the model would call this one.
    for column in columns:
        for name in _COMPILED:
            column.__dict__[name] = torch.compile(getattr(column, name), **options)
    try:
        yield
    finally:
        for column in columns:
            for name in _COMPILED:
                del column.__dict__[name]
