"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_exports(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return a package's ``__getattr__``, which imports the home of a name on first use (PEP 562).

    For what is slow to import (Lightning, the exporters). List the names under ``TYPE_CHECKING`` too.

    Args:
        package: ``__name__`` of the package.
        homes: Module of each name.

    Example:
        >>> load = lazy_exports("shapes", {"sqrt": "math"})
        >>> load("sqrt")(9)
        3.0
        >>> load("cube")
        Traceback (most recent call last):
        AttributeError: module 'shapes' has no attribute 'cube'
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(homes[name]), name)

    return load
