"""Folds of a search: parts of the data, each with encoders of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sennit.encoders import Encoder
from sennit.files import read_json, write_json
from sennit.fusion.cell.genome import Genome
from sennit.search.batched.batched_evaluator import BatchedEvaluator
from sennit.search.batched.inheritance import weights_path
from sennit.search.records import Evaluation, Proposal, Record


@dataclass(frozen=True)
class Fold:
    """A split of the training data, with encoders that were trained on its training part alone.

    Encoders that saw the validation part would make taps of it that are too good.

    Args:
        encoders: Encoders by modality, of the architecture of the search's.
        train: Training data, as `search` takes them.
        validation: Validation data, such as those of other subjects.
    """

    encoders: Mapping[str, Encoder]
    train: Any
    validation: Any


class FoldedEvaluator:
    """Trains candidates in every fold, one stacked net a fold; their error is the mean over the folds.

    See `sennit.search.Evaluator`.

    Args:
        folds: Evaluator of each fold; two or more, of one space.
    """

    def __init__(self, folds: Sequence[BatchedEvaluator]) -> None:
        self.folds, self.space = list(folds), folds[0].space
        joined = json.dumps([fold.fingerprint for fold in folds])
        self.fingerprint = hashlib.sha256(joined.encode()).hexdigest()[:16]

    def costs(self, genome: Genome) -> Mapping[str, float]:
        """Return the costs, which are those of any fold."""
        return self.folds[0].costs(genome)

    def evaluate(self, proposals: Sequence[Proposal], *, checkpoint: Path | None = None) -> list[Evaluation]:
        """Train candidates of one generation in every fold; a finished fold is kept beside the checkpoint."""
        by_fold = []
        for number, fold in enumerate(self.folds):
            place = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-fold{number}")
            by_fold.append(_evaluated(fold, proposals, place))
        if checkpoint is not None:
            for left in checkpoint.parent.glob(f"{checkpoint.name}-fold*"):
                left.unlink()
        return [_mean(of_candidate) for of_candidate in zip(*by_fold, strict=True)]


def train_on_whole(evaluator: BatchedEvaluator, records: Sequence[Record]) -> None:
    """Train candidates on all training data, each alone, and keep their weights; those that are kept stay.

    Args:
        evaluator: Evaluator of the training data, with a folder of weights.
        records: Candidates of a search in folds.
    """
    assert evaluator.weights is not None
    for record in records:
        slot = record.copied_from or record.proposal.slot
        if not weights_path(evaluator.weights, slot).is_file():
            evaluator.evaluate([replace(record.proposal, slot=slot)])


def _evaluated(fold: BatchedEvaluator, proposals: Sequence[Proposal], place: Path | None) -> list[Evaluation]:
    done = None if place is None else place.with_suffix(".json")
    if done is not None and done.is_file():
        return [Evaluation.from_dict(values) for values in read_json(done)]
    evaluations = fold.evaluate(proposals, checkpoint=place)
    if done is not None:
        done.parent.mkdir(parents=True, exist_ok=True)
        write_json(done, [asdict(evaluation) for evaluation in evaluations])
    return evaluations


def _mean(folds: Sequence[Evaluation]) -> Evaluation:
    first, count = folds[0], len(folds)
    return Evaluation(
        errors={task: sum(fold.errors[task] for fold in folds) / count for task in first.errors},
        epochs=max(fold.epochs for fold in folds),
        seconds=sum(fold.seconds for fold in folds),
        judged=first.judged,
        losses={task: sum(fold.losses[task] for fold in folds) / count for task in first.losses},
        folds=tuple(fold.error for fold in folds),
    )
