"""Fitting of linear models to the texts of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.encoders import Encoder
from sennit.encoders.text_hashed import HashedNgramsEncoder
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.linear import LinearModel
from sennit.recipes.table.training.read_once import Describe, ReadRows, read_once
from sennit.recipes.table.training.similarity import hashed_counts

MOST_ROWS = 20_000
"""Largest number of training rows, whose n-grams are held together."""
_FEWEST = 20  # labelled rows


def fit_linear(
    schema: Schema,
    encoders: Mapping[str, Encoder],
    batches: Mapping[str, Iterable[Batch]],
    targets: Mapping[str, int],
) -> dict[str, LinearModel]:
    """Fit a linear model to each target, over all texts that `hashed_ngrams` reads.

    Args:
        schema: Complete schema.
        encoders: Encoder of each input.
        batches: Rows without augmentation, by subset; the validation rows choose lengths and strength.
        targets: Number of outputs of each target that can be fitted.

    Returns:
        Models by target; none without such a text, or with fewer than 20 labelled rows that have one.
    """
    texts = {name: e.buckets for name, e in encoders.items() if isinstance(e, HashedNgramsEncoder)}
    if not texts:
        return {}
    size = max(texts.values()) + 1
    describe: dict[str, Describe] = dict.fromkeys(texts, _counted(size))
    read = {subset: read_once(of, describe, targets) for subset, of in batches.items()}
    models = {}
    for name, outputs in targets.items():
        train, held = (read[s].of_target(name) if s in read else None for s in ("train", "validation"))
        if train is None or len(train.labels[name]) < _FEWEST:
            continue
        chooses = held is not None and len(held.labels[name]) >= _FEWEST
        models[name] = LinearModel.fit(
            _counts(train, train, size),
            train.labels[name],
            kind=schema.targets[name].kind,
            outputs=outputs,
            validation=(_counts(held, train, size), held.labels[name]) if held and chooses else None,
        )
    return models


def _counted(size: int) -> Callable[[Tensor, Tensor | None], Tensor]:
    return lambda ids, mask: hashed_counts(ids, mask, size)


def _counts(read: ReadRows, train: ReadRows, size: int) -> dict[str, Tensor]:
    """Return the counts of all rows in each text of the training rows, zeros where it is absent."""
    count = len(next(iter(read.labels.values())))
    counts = {}
    for name in train.vectors:
        if name not in read.vectors:
            counts[name] = hashed_counts(torch.zeros(count, 0, dtype=torch.long), None, size)
            continue
        x = read.vectors[name].coalesce()
        rows, ids = x.indices()
        places = torch.stack([read.present[name].nonzero().flatten()[rows], ids])
        counts[name] = torch.sparse_coo_tensor(
            places, x.values(), (count, size), is_coalesced=True, check_invariants=False
        )
    return counts
