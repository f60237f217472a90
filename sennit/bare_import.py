"""A guard against a room imported without `sennit.`: a second copy would have registries of its own."""

from __future__ import annotations

import sys


def refuse_bare_import(name: str) -> None:
    """Raise unless a room is imported under its full name.

    Args:
        name: ``__name__`` of the room.

    Raises:
        ImportError: The room was imported bare; the message says what to type instead.

    Example:
        >>> refuse_bare_import("fusion")
        Traceback (most recent call last):
        ImportError: 'fusion' is imported as a part of sennit. Write `from sennit.fusion import ...`.
    """
    if name.startswith("sennit."):
        return
    advice = f"Write `from sennit.{name} import ...`."
    if name == "recipes":
        advice = f"Run `{_command(sys.orig_argv)}`, or write `from sennit.recipes import ...`."
    raise ImportError(f"'{name}' is imported as a part of sennit. {advice}")


def _command(arguments: list[str]) -> str:
    """Return the command that a ``python -m recipes.<name>`` should have been."""
    modules = [word for word, flag in zip(arguments[1:], arguments, strict=False) if flag == "-m"]
    module = modules[0] if modules and modules[0].startswith("recipes") else "recipes.<name>"
    return f"python -m sennit.{module}"
