"""The check of numeric options, which errors name."""

from __future__ import annotations


def check_at_least(least: float, owner: str, **values: float) -> None:
    """Refuse sizes, counts and weights that are too small.

    Args:
        least: Smallest value allowed.
        owner: Owner of the options, for the message.
        values: Options by name.

    Raises:
        ValueError: A value is smaller.

    Example:
        >>> check_at_least(1, "fusion 'bottleneck'", depth=2, heads=0)
        Traceback (most recent call last):
        ValueError: `heads` of fusion 'bottleneck' should be 1 or more. Found 0.
    """
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"`{name}` of {owner} should be {least} or more. Found {value}.")
