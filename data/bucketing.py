"""Batches of samples of similar length, so that little is padded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BATCHES_IN_A_POOL = 50


def in_buckets(
    rows: NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    step: int,
    batches: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Return shuffled rows in another order, of which each batch holds samples of similar length.

    The rows are cut into pools of 50 batches, each pool is sorted by length and cut into batches, and the
    batches of all pools are shuffled. A last, smaller batch stays the last one.

    Source: Khomenko et al. 2016, "Accelerating Recurrent Neural Network Training Using Sequence Bucketing and
    Multi-GPU Data Parallelization".

    Args:
        rows: Rows of a pass, in random order.
        lengths: Length of each sample of the dataset.
        step: Samples in a batch, of all ranks together.
        batches: Number of batches; what is left over belongs to the last one.
        random: Generator of the order of the batches.

    Example:
        >>> rows, lengths = np.array([3, 0, 2, 1]), np.array([9, 1, 2, 8])
        >>> in_buckets(rows, lengths, step=2, batches=2, random=np.random.default_rng(0)).tolist()
        [1, 2, 3, 0]
    """
    size = step * _BATCHES_IN_A_POOL
    pools = [rows[start : start + size] for start in range(0, len(rows), size)]
    by_length = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    cut = step * (batches if len(rows) == step * batches else batches - 1)
    whole = by_length[:cut].reshape(-1, step)
    return np.concatenate([random.permutation(whole).reshape(-1), by_length[cut:]])
