"""A room imported without `sennit.` is an error: it would be a second copy, with registries of its own."""

from __future__ import annotations


def refuse_bare_import(name: str) -> None:
    """Raise unless a room is imported under its full name.

    Args:
        name: ``__name__`` of the room.

    Raises:
        ImportError: The room was imported bare; the message says what to type.
    """
    if not name.startswith("sennit."):
        raise ImportError(
            f"'{name}' is part of sennit: write `from sennit.{name} import ...` "
            f"(from the shell: `python -m sennit.{name}...`)."
        )
