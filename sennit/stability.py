"""Decorators that say how far a part can be relied on."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

Part = TypeVar("Part", bound=Callable[..., Any])


class ExperimentalWarning(UserWarning):
    """A part whose interface may change in any release."""


def experimental(part: Part) -> Part:
    """Mark a class or a function as experimental: its first use in a process warns.

    Example:
        >>> @experimental
        ... def braid(strands: int) -> int:
        ...     return strands
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     print(braid(3), braid(4), [str(w.message) for w in caught])
        3 4 ["'braid' is experimental: it may change in any release."]
    """
    return _warning_once(
        part, f"'{part.__name__}' is experimental: it may change in any release.", ExperimentalWarning
    )


def deprecated(*, since: str, use: str) -> Callable[[Part], Part]:
    """Mark a class or a function as deprecated: its first use in a process warns.

    Args:
        since: Release in which it was deprecated.
        use: Name of what replaces it.

    Example:
        >>> @deprecated(since="0.2", use="braid")
        ... class Plait: ...
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     plait = Plait()
        ...     print(caught[0].category.__name__, caught[0].message)
        FutureWarning 'Plait' is deprecated since 0.2 and will be removed. Use 'braid'.
    """

    def mark(part: Part) -> Part:
        message = f"'{part.__name__}' is deprecated since {since} and will be removed. Use '{use}'."
        return _warning_once(part, message, FutureWarning)

    return mark


def _warning_once(part: Part, message: str, category: type[Warning]) -> Part:
    warned = False
    function: Any = part.__init__ if isinstance(part, type) else part  # type: ignore[misc]

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal warned
        if not warned:
            warned = True
            warnings.warn(message, category, stacklevel=2)
        return function(*args, **kwargs)

    if not isinstance(part, type):
        return wrapper  # type: ignore[return-value]
    setattr(part, "__init__", wrapper)  # noqa: B010
    return part
