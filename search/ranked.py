"""The order of candidates by what they achieved."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sennit.search.records import Record


def ranked(records: Sequence[Record]) -> list[Record]:
    """Return the candidates from best to worst by their validation error.

    Equal ones are ordered by size, then by slot. With folds, those within one standard error of the best, of
    the difference paired over the folds, come first and are ordered by their loss: the accuracy of few
    subjects tells neighbours apart by chance, and the cross-entropy less so.

    Args:
        records: Candidates; those whose training diverged come last.
    """
    order = sorted(records, key=_key)
    if not order or not order[0].evaluation.folds:
        return order
    best = order[0]
    equal = [r for r in order if ties(r.evaluation.folds, best.evaluation.folds)]
    chosen = {id(r) for r in equal}
    equal.sort(key=lambda r: (r.evaluation.loss, *_key(r)))
    return [*equal, *(r for r in order if id(r) not in chosen)]


def ties(errors: Sequence[float], best: Sequence[float]) -> bool:
    """Return whether errors exceed those of the best by no more than a standard error over the folds.

    Example:
        >>> ties([0.2, 0.4], [0.2, 0.3]), ties([0.3, 0.41], [0.2, 0.3])
        (True, False)
    """
    excess, error = fold_difference(errors, best)
    return math.isfinite(excess) and excess <= error


def fold_difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Return the mean difference over folds, and its standard error.

    Example:
        >>> fold_difference([0.25, 0.5], [0.25, 0.25])
        (0.125, 0.125)
    """
    differences = np.asarray(ours) - np.asarray(theirs)
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(differences)))


def _key(record: Record) -> tuple[bool, float, float, tuple[int, int]]:
    value = record.evaluation.error
    return not math.isfinite(value), value, record.costs.get("parameters", 0.0), record.proposal.slot
