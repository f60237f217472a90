"""Compilation of a model for the time of its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from sennit.tasks.model.model import MultiTaskModel


@contextmanager
def compiled(model: MultiTaskModel, options: Mapping[str, Any] | None) -> Iterator[None]:
    """Compile encoders, fusion and sharing within the block; afterwards the model is as before.

    Args:
        model: Model whose `features` are compiled.
        options: Arguments of `torch.compile`; None leaves the model alone.
    """
    if options is None:
        yield
        return
    # An attribute of the instance hides the method; left there, a copy of the model would call this one.
    model.__dict__["features"] = torch.compile(model.features, **options)
    try:
        yield
    finally:
        del model.__dict__["features"]
