"""Encoders rebuilt from their configs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sennit.encoders._base import Encoder
from sennit.encoders._create import ENCODERS
from sennit.fusion._base import FUSIONS
from sennit.fusion.fused_encoder import AnyEncoder, FusedEncoder


def build_encoders(
    configs: Iterable[Sequence[Any]], made: dict[str, Encoder] | None = None
) -> dict[str, AnyEncoder]:
    """Rebuild encoders, fused or not; modalities that shared one share it again.

    Args:
        configs: Name and config of each, as the config of a `FusedEncoder` has them.
        made: Encoders of single modalities made so far, to which these are added.
    """
    made = {} if made is None else made
    encoders: dict[str, AnyEncoder] = {}
    for name, config in configs:
        if config.get("name") == "fused":
            inner = build_encoders(config["encoders"], made)
            encoders[name] = FusedEncoder(inner, FUSIONS.build(config["fusion"], inner))
        elif config.get("name") == "shared":
            encoders[name] = made[config["with"]]
        else:
            encoders[name] = made[name] = ENCODERS.build(config)
    return encoders
