"""Checks of numeric options and sizes, which errors name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sennit.sizes import check_at_least as check_at_least

MOST_PARAMETERS = 2**27
"""Half a gigabyte in float32, and twice as much for the moments of Adam."""


def check_parameters(count: int, owner: str, fix: str) -> None:
    """Refuse a part whose size grows faster than the number of modalities, before it is allocated.

    Args:
        count: Number of its parameters.
        owner: Part and what it is made for, for the message.
        fix: Advice that ends the message.

    Raises:
        ValueError: There are more than 2²⁷.

    Example:
        >>> check_parameters(2**40, "fusion 'tensor_fusion' of 8 modalities", "Lower `max_dim`.")
        Traceback (most recent call last):
        ValueError: fusion 'tensor_fusion' of 8 modalities should have at most 1.3e+08 parameters. Found \
1.1e+12. Lower `max_dim`.
    """
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"{owner} should have at most {MOST_PARAMETERS:.1e} parameters. Found {count:.1e}. {fix}"
        )


def check_sizes_of(encoders: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    """Refuse encoders of other sizes than those that a fusion was made for.

    Args:
        encoders: Encoder of each modality.
        sizes: Number of outputs of each that the fusion was made for.

    Raises:
        ValueError: A size differs; the modality is named.
    """
    for name, encoder in encoders.items():
        if encoder.embed_dim != sizes[name]:
            raise ValueError(
                f"the fusion should be made for the encoders of the model. Found an encoder of '{name}' with "
                f"{encoder.embed_dim} outputs, and a fusion made for {sizes[name]}. Give both the same."
            )
