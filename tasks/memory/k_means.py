"""Clusters of vectors, seeded."""

from __future__ import annotations

import torch
from torch import Tensor


def k_means(features: Tensor, clusters: int, *, seed: int, iterations: int = 20) -> tuple[Tensor, Tensor]:
    """Return the cluster of each vector, and the centres, by Lloyd's algorithm.

    The start is drawn by k-means++ (Arthur & Vassilvitskii 2007). A cluster that becomes empty takes the
    vector farthest from its centre, so that none stays empty while there are as many different vectors.

    Args:
        features: Vectors.
        clusters: Number of clusters.
        seed: Random seed of the start.
        iterations: Largest number of moves of the centres.

    Shape:
        features ``[N, D]``, result ``[N]`` and ``[clusters, D]``.

    Raises:
        ValueError: There are fewer vectors than clusters.

    Example:
        >>> groups, centres = k_means(torch.tensor([[0.0], [9.0], [0.2], [9.2]]), 2, seed=0)
        >>> bool(groups[0] == groups[2] != groups[1]), sorted(centres.flatten().tolist())
        (True, [0.10000000149011612, 9.100000381469727])
    """
    if not 0 < clusters <= len(features):
        raise ValueError(
            f"`clusters` should be from 1 to the number of samples, {len(features)}. Found {clusters}."
        )
    centres = _start(features, clusters, torch.Generator().manual_seed(seed))
    groups = torch.full((len(features),), -1, device=features.device)
    for _ in range(iterations + 1):
        distances, nearest = torch.cdist(features, centres).min(1)
        nearest = _filled(nearest, distances, clusters)
        if torch.equal(nearest, groups):
            break
        groups = nearest
        counts = groups.bincount(minlength=clusters).clamp(min=1)
        centres = torch.zeros_like(centres).index_add_(0, groups, features) / counts.unsqueeze(1)
    return groups, centres


def _start(features: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    first = int(torch.randint(len(features), (), generator=generator))
    chosen, distances = [first], (features - features[first]).square().sum(1)
    for _ in range(clusters - 1):
        weights = distances.double().cpu().clamp(min=1e-300)  # equal vectors have no distance
        place = float(torch.rand((), generator=generator, dtype=torch.float64) * weights.sum())
        row = min(int(torch.searchsorted(weights.cumsum(0), place, right=True)), len(features) - 1)
        chosen.append(row)
        distances = torch.minimum(distances, (features - features[row]).square().sum(1))
    return features[torch.tensor(chosen, device=features.device)].clone()


def _filled(groups: Tensor, distances: Tensor, clusters: int) -> Tensor:
    """Give each empty cluster the farthest vector of a cluster that has others."""
    counts = groups.bincount(minlength=clusters)
    empty = (counts == 0).nonzero().squeeze(1).tolist()
    if not empty:
        return groups
    groups = groups.clone()
    for row in distances.argsort(descending=True, stable=True).tolist():
        if not empty:
            break
        if counts[groups[row]] > 1:
            counts[groups[row]] -= 1
            groups[row] = empty.pop(0)
    return groups
