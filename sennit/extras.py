"""Import of heavy libraries when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, extra: str) -> Any:
    """Import a module of an extra.

    Raises:
        ImportError: The module is not installed; the message says how to install it.

    Example:
        >>> require("no_such_module", "image")
        Traceback (most recent call last):
        ImportError: 'no_such_module' is needed here. Install it with `pip install 'sennit[image]'`.
    """
    library = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or library).partition(".")[0] != library:
            raise
        raise ImportError(
            f"'{library}' is needed here. Install it with `pip install 'sennit[{extra}]'`."
        ) from None
