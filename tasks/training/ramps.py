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
    for part, name, value in ramps_of_share(model):
        raise ValueError(
            f"`{name}` of {part} should be a ramp over `steps`, as this training has no length of which it "
            f"could be a share. Found {value}."
        )


def ramps_of_share(model: Network) -> list[tuple[str, str, Ramp]]:
    """Return the ramps over a share of the training: class of their part, option, ramp."""
    return [
        (type(part).__name__, name, value)
        for part in model.modules()
        for name, value in vars(part).items()
        if isinstance(value, Ramp) and value.share is not None
    ]


def check_same_length(model: Network, schedule: str | None, before: float, steps: float) -> None:
    """Refuse to resume a training at another length than that of which a schedule or a ramp is a share.

    Args:
        model: Model.
        schedule: Schedule of the learning rate; None for a constant one.
        before: Number of optimizer steps that the training was to have.
        steps: Number of steps now.

    Raises:
        ValueError: The lengths differ, and something depends on them.
    """
    shares = [f"the schedule '{schedule}'"] if schedule else []
    shares += [f"`{name}` of {part}" for part, name, _ in ramps_of_share(model)]
    if before != steps and shares:
        raise ValueError(
            f"a run should resume at its length of {before:g} steps, over which {' and '.join(shares)} runs. "
            f"Found {steps:g}: the rate would rise again. Restore it, or train the model that the run left "
            f"in a new folder."
        )
