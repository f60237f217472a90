"""Random numbers of each phase of a round, which depend on nothing that came before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from sennit.data.random_state import keyed_random_state


def seed_of(key: Sequence[int]) -> int:
    """Return a seed that depends on a key: the seed of the rounds, the round, the learner, the phase.

    Example:
        >>> seed_of((0, 1)) == seed_of((0, 1)), seed_of((0, 1)) == seed_of((0, 2))
        (True, False)
    """
    return int(np.random.SeedSequence(key).generate_state(1)[0])


@contextmanager
def seeded(key: Sequence[int]) -> Iterator[None]:
    """Draw from generators seeded by a key within the block, on every device; restore them afterwards."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices), keyed_random_state(key):
        if devices:
            torch.cuda.manual_seed(seed_of(key))
        yield
