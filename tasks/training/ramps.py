"""Check of the ramps of a training."""

from __future__ import annotations

import math

from sennit.ramp import Ramp
from sennit.tasks.model.network import Network


def check_ramps(model: Network, steps: float) -> None:
    """Refuse ramps over a share of a training whose length is unknown.

    Args:
        model: Model.
        steps: Number of optimizer steps; infinite where only time ends the training.

    Raises:
        ValueError: A ramp has a share and the training no length; the option is named.
    """
    if steps < math.inf:
        return
    for part in model.modules():
        for name, value in vars(part).items():
            if isinstance(value, Ramp) and value.share is not None:
                raise ValueError(
                    f"`{name}` of {type(part).__name__} should be a ramp over `steps`, as this training has "
                    f"no length of which it could be a share. Found {value}."
                )
