"""Folds of a search: the mean error, ties by the loss, and a choice over the folds."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import BatchDataset
from sennit.encoders import create_encoder
from sennit.search import (
    Evaluation,
    Final,
    Fold,
    Proposal,
    Record,
    SearchOptions,
    SearchResult,
    TrainingOptions,
    search,
)
from sennit.search.fold import FoldedEvaluator
from sennit.search.ranked import ranked
from sennit.tasks import evaluate
from tests.search.problem import make_batch, make_encoders, make_space, make_tasks

TRAIN, CHECK = (BatchDataset(make_batch(n, missing=False, seed=s)) for n, s in ((96, 0), (64, 1)))
OPTIONS = SearchOptions(
    generations=1, population=10, training=TrainingOptions(epochs=2, lr=1e-2, batch_size=32), progress=False
)


def folds() -> list[Fold]:
    """Two halves of the training data, with encoders that differ by their weights."""
    made = []
    for k, rows in enumerate(torch.arange(96).split(48)):
        encoders = make_encoders()
        with torch.no_grad():
            for encoder in encoders.values():
                for p in encoder.parameters():
                    p.add_(0.01 * (k + 1))
        rest = torch.tensor([i for i in range(96) if i not in rows.tolist()])
        parts = (BatchDataset(TRAIN.batch.select(r)) for r in (rest, rows))
        made.append(Fold(encoders, *parts))
    return made


def run(folder: Path, given: Sequence[Fold], **options: Any) -> SearchResult:
    data = {"objectives": ("error/y",), "space": make_space(), "options": OPTIONS, **options}
    return search(make_encoders(), make_tasks(), TRAIN, CHECK, folder=folder, folds=given, **data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("folds")


@pytest.fixture(scope="module")
def result(folder: Path) -> SearchResult:
    return run(folder, folds())


def test_the_error_is_the_mean_over_folds_of_searches_alone(result: SearchResult, tmp_path: Path) -> None:
    """Each fold alone, by the same fixed schedule, gives the errors that are averaged."""
    fixed = replace(OPTIONS, training=replace(OPTIONS.training, patience=None))
    alone = [
        search(
            fold.encoders,
            make_tasks(),
            fold.train,
            fold.validation,
            folder=tmp_path / str(k),
            objectives=("error/y",),
            space=make_space(),
            options=fixed,
        ).records
        for k, fold in enumerate(folds())
    ]
    for record, *of_folds in zip(result.records, *alone, strict=True):
        assert record.genome == of_folds[0].genome
        errors = [r.evaluation.errors["y"] for r in of_folds]
        assert record.evaluation.folds == pytest.approx(errors)
        assert record.evaluation.error == record.values[0] == pytest.approx(np.mean(errors))
        assert record.evaluation.losses["y"] == pytest.approx(
            np.mean([r.evaluation.losses["y"] for r in of_folds])
        )


def test_the_best_is_trained_on_all_training_data(result: SearchResult) -> None:
    model = result.build(result.best, make_encoders())
    assert 0 <= evaluate(model, CHECK.batch).metrics["y"]["accuracy"] <= 1
    assert result.best is ranked(result.records)[0]


def test_the_same_call_again_is_the_same_search(result: SearchResult, folder: Path) -> None:
    again = run(folder, folds())
    assert [(r.genome, r.values) for r in again.records] == [(r.genome, r.values) for r in result.records]
    with pytest.raises(ValueError, match=r"fingerprint .* Found"):
        run(folder, [folds()[1], folds()[0]])


def test_a_fold_that_was_finished_before_a_kill_is_not_trained_again(tmp_path: Path) -> None:
    calls: list[int] = []

    class Counted:
        fingerprint, space = "x", make_space()

        def __init__(self, number: int, *, fails: bool = False) -> None:
            self.number, self.fails = number, fails

        def costs(self, genome: object) -> dict[str, float]:
            return {}

        def evaluate(
            self, proposals: Sequence[Proposal], *, checkpoint: Path | None = None
        ) -> list[Evaluation]:
            if self.fails:
                raise KeyboardInterrupt
            calls.append(self.number)
            return [Evaluation({"y": 0.1 * (self.number + 1)}, 1, 0.0, ("y",), {"y": 1.0}) for _ in proposals]

    space = make_space()
    genes = space.sample(np.random.default_rng(0))
    proposals = [Proposal((0, 0), genes, space.decode(genes))]
    place = tmp_path / "0-0"
    with pytest.raises(KeyboardInterrupt):
        FoldedEvaluator([Counted(0), Counted(1, fails=True)]).evaluate(proposals, checkpoint=place)  # type: ignore[list-item]
    (evaluation,) = FoldedEvaluator([Counted(0), Counted(1)]).evaluate(proposals, checkpoint=place)  # type: ignore[list-item]
    assert calls == [0, 1]
    assert evaluation.folds == pytest.approx((0.1, 0.2))
    assert evaluation.error == pytest.approx(0.15)
    assert not list(tmp_path.iterdir())


def record(name: int, errors: Sequence[float], loss: float) -> Record:
    space = make_space()
    genes = space.sample(np.random.default_rng(name))
    evaluation = Evaluation({"y": float(np.mean(errors))}, 1, 0.0, ("y",), {"y": loss}, tuple(errors))
    return Record(Proposal((0, name), genes, space.decode(genes)), evaluation, (evaluation.error,))


def test_ties_within_a_standard_error_are_told_apart_by_the_loss() -> None:
    best = record(0, [0.10, 0.20, 0.30], loss=0.9)
    near = record(1, [0.11, 0.19, 0.31], loss=0.5)
    far = record(2, [0.20, 0.30, 0.40], loss=0.1)  # worse in each fold alike
    assert [r.proposal.slot[1] for r in ranked([far, best, near])] == [1, 0, 2]
    again = Evaluation.from_dict(json.loads(json.dumps(vars(best.evaluation))))
    assert again == best.evaluation


def test_a_final_chooses_over_the_folds(folder: Path) -> None:
    final = Final(
        candidates=1, against=("concat", "gated", "film"), epochs=1, batch_size=32, auxiliary=(0.0,)
    )
    result = run(folder, folds(), final=final, groups=[0] * 64)
    assert result.final is not None
    errors = {r.genome: r.evaluation.folds for r in result.records}
    known = result.space.known()
    plain = np.array(errors[known["concat"]])
    for row in result.final.rows:
        genome = row.genome or known.get(row.name)
        if genome is not None:
            assert row.difference == pytest.approx(float(np.mean(plain - errors[genome])))
    # A single group on validation data does not matter: the folds say what is chance.
    assert "one group" not in result.final.reason
    assert result.final.chosen.name != "film"


def test_folds_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`folds` should be two or more, or none. Found 1"):
        run(tmp_path, folds()[:1])
    other = copy.copy(folds())
    other[1] = replace(other[1], encoders={"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)})
    with pytest.raises(ValueError, match="the encoders of fold 1 should have the taps"):
        run(tmp_path, other)
