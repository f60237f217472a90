"""Figures of a comparison: differences paired over seeds, and what gave how much."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from sennit.recipes.search.compared import SAME_START

By = Mapping[str, Sequence[float]]
"""A figure of each row, seed by seed."""


@dataclass(frozen=True)
class Difference:
    """A difference of two figures, paired over seeds.

    Attributes:
        mean: Mean difference.
        interval: 95 % interval by Student's t; unbounded with one seed.
    """

    mean: float
    interval: tuple[float, float]

    @property
    def text(self) -> str:
        """The difference with its interval."""
        low, high = self.interval
        around = f" [{low:+.3f}, {high:+.3f}]" if math.isfinite(low) else ", of one seed"
        return f"{self.mean:+.3f}{around}"


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Return the mean difference of figures of the same seeds, with its 95 % interval.

    Example:
        >>> paired([0.9, 0.8, 0.9], [0.8, 0.8, 0.8]).text
        '+0.067 [-0.077, +0.210]'
    """
    differences = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    mean, count = float(differences.mean()), len(differences)
    if count < 2:
        return Difference(mean, (-math.inf, math.inf))
    half = float(stats.t.ppf(0.975, count - 1) * differences.std(ddof=1) / math.sqrt(count))
    return Difference(mean, (mean - half, mean + half))


def gains(scores: By, validation: Sequence[Mapping[str, float]], plain: str) -> dict[str, Difference]:
    """Return what the start, the auxiliary losses and the structure gave, on test data.

    The start: the plain fusion from the searched encoders, against itself from scratch with as many epochs in
    all. The auxiliary losses: the best candidates tuned with warm heads on their embeddings, against
    themselves without. The structure: the best found, against the best of the recipe's fusions from the same
    start, each by validation data.

    Args:
        scores: Test score of each row, seed by seed.
        validation: Validation score of the rows of the final round, for each seed.
        plain: Name of the plain fusion.
    """
    structure, helped = [], []
    for k, of_seed in enumerate(validation):
        hand = max((row for row in of_seed if row.endswith(SAME_START)), key=lambda row: of_seed[row])
        structure.append((scores["best found"][k], scores[hand][k]))
        pairs = [(row, row.partition(", ")[0]) for row in of_seed if ", auxiliary " in row]
        helped.append(
            tuple(float(np.mean([scores[row[i]][k] for row in pairs])) if pairs else 0.0 for i in (0, 1))
        )
    return {
        "start": paired(scores[f"{plain}{SAME_START}"], scores[plain]),
        "auxiliary losses": paired(*zip(*helped, strict=True)),
        "structure": paired(*zip(*structure, strict=True)),
    }


def comparison(
    data: str, metric: str, scores: By, validation: Sequence[Mapping[str, float]], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the chosen model's test scores against those of other rows, as plain JSON values.

    The best of the recipe's fusions, from the same start and from scratch, is that of the best mean on
    validation data.

    Args:
        data: Name of the recipe.
        metric: Name of the figure.
        scores: Test score of each row, seed by seed.
        validation: Validation score of each row, for each seed.
        seeds: Seeds.
    """
    means = {row: float(np.mean([of_seed[row] for of_seed in validation])) for row in validation[0]}
    warm = max((row for row in means if row.endswith(SAME_START)), key=means.__getitem__)
    fusions = {row.removesuffix(SAME_START) for row in means if row.endswith(SAME_START)}
    scratch = max((row for row in means if row in fusions), key=means.__getitem__)
    others = dict.fromkeys((warm, f"concat{SAME_START}", scratch, "concat", "random search"))
    entries = []
    for row in others:
        if row in scores:
            difference = paired(scores["found"], scores[row])
            entries.append(
                {
                    "data": data,
                    "metric": metric,
                    "found": float(np.mean(scores["found"])),
                    "against": float(np.mean(scores[row])),
                    "against_name": row,
                    "difference": difference.mean,
                    "interval": list(difference.interval) if len(seeds) > 1 else None,
                    "seeds": list(seeds),
                }
            )
    return entries


def ranking(finals: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean over seeds of Kendall's τ of the finalists' frozen and tuned validation scores."""
    taus = []
    for final in finals:
        frozen, tuned = ([row[kind] for row in final["rows"]] for kind in ("frozen", "tuned"))
        taus.append(stats.kendalltau(frozen, tuned).statistic)
    return float(np.mean(taus))
