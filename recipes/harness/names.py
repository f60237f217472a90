"""Names that a run's options refer to."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sennit.registry import unknown_name


def check_names(kind: str, names: Iterable[str], existing: Collection[str]) -> None:
    """Refuse the first name that is not among the existing ones.

    Args:
        kind: Kind of the named thing, for the message.
        names: Names to check.
        existing: Names that exist.

    Raises:
        ValueError: A name does not exist; close ones are listed.

    Example:
        >>> check_names("fusion", ["gatd"], ["concat", "gated"])
        Traceback (most recent call last):
        ValueError: unknown fusion 'gatd'. Did you mean 'gated'?
    """
    for name in names:
        if name not in existing:
            raise unknown_name(kind, name, existing)
