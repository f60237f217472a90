"""Random numbers that depend on a key, and leave those of the process alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def random_state() -> tuple[Any, ...]:
    """Return the states of torch's (on the CPU), Python's and NumPy's generators."""
    return torch.get_rng_state(), random.getstate(), np.random.get_state()


def set_random_state(state: tuple[Any, ...]) -> None:
    """Restore what `random_state` returned."""
    torch.set_rng_state(state[0])
    random.setstate(state[1])
    np.random.set_state(state[2])


def seed_from_key(key: Sequence[int]) -> None:
    """Seed the three generators from a key; unlike `torch.manual_seed`, no GPU's."""
    words = np.random.SeedSequence(key).generate_state(3)
    torch.default_generator.manual_seed(int(words[0]))
    random.seed(int(words[1]))
    np.random.seed(int(words[2]))


@contextmanager
def keyed_random_state(key: Sequence[int]) -> Iterator[None]:
    """Draw from generators seeded by a key within the block, and restore their state afterwards."""
    before = random_state()
    seed_from_key(key)
    try:
        yield
    finally:
        set_random_state(before)
