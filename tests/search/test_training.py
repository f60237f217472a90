"""Generations: early stopping, checkpoints, inheritance, what is asked of the data."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.search import TrainingOptions
from sennit.search.batched.batched_evaluator import BatchedEvaluator
from sennit.search.batched.generation_trainer import GenerationTrainer
from sennit.search.batched.inheritance import inherit, store_weights
from tests.search.problem import (
    make_caches,
    make_evaluator,
    make_proposals,
    make_space,
    make_tasks,
    same_within,
    state_of,
)


@pytest.mark.parametrize("missing", [False, True])
def test_a_slice_gives_what_each_candidate_gives_alone(tmp_path: Path, missing: bool) -> None:
    """Also where some stop early and the stack shrinks."""
    evaluator = make_evaluator(tmp_path, missing=missing, epochs=8, patience=1)
    proposals = make_proposals(evaluator.space, 10)
    together = evaluator.evaluate(proposals)
    assert len({e.epochs for e in together}) > 1
    for proposal, found in zip(proposals, together, strict=True):
        alone = evaluator.evaluate([proposal])[0]
        # One sample of 64 may fall to the other side of a decision.
        assert same_within(list(found.errors.values()), list(alone.errors.values()), 0.02)


def test_the_same_twice(tmp_path: Path) -> None:
    evaluator = make_evaluator(tmp_path)
    proposals = make_proposals(evaluator.space, 6)
    assert [e.errors for e in evaluator.evaluate(proposals)] == [
        e.errors for e in evaluator.evaluate(proposals)
    ]


def test_the_first_weights_depend_on_the_slot_alone(tmp_path: Path) -> None:
    evaluator = make_evaluator(tmp_path)
    one = make_proposals(evaluator.space, 1)[0]
    first = state_of(evaluator.candidate(one))
    torch.rand(3)
    assert all(torch.equal(v, first[n]) for n, v in state_of(evaluator.candidate(one)).items())
    other = state_of(evaluator.candidate(replace(one, slot=(0, 1))))
    assert not all(torch.equal(v, first[n]) for n, v in other.items())


def test_an_epoch_takes_every_sample_once_in_steps_of_like_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 127 samples in steps of at most 64, 63 were left out."""
    candidates = [make_evaluator(tmp_path).candidate(p) for p in make_proposals(make_space(), 1)]
    caches = make_caches(tmp_path, missing=False, rows=127)
    trainer = GenerationTrainer(candidates, *caches, TrainingOptions(epochs=1, batch_size=64), key=[0])
    batch, steps = trainer.train.batch, []

    def note(rows: torch.Tensor) -> Any:
        steps.append(rows)
        return batch(rows)

    monkeypatch.setattr(trainer.train, "batch", note)
    trainer.run()
    assert [len(rows) for rows in steps] == [64, 63]
    assert torch.cat(steps).sort().values.tolist() == list(range(127))


def test_a_candidate_stops_when_its_error_no_longer_falls(tmp_path: Path) -> None:
    evaluator = make_evaluator(tmp_path, epochs=30, patience=2)
    found = evaluator.evaluate(make_proposals(evaluator.space, 8))
    assert min(e.epochs for e in found) < 30
    assert all(3 <= e.epochs <= 30 for e in found)


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_a_generation_killed_after_any_epoch_ends_where_it_would_have(tmp_path: Path, stop: int) -> None:
    space, tasks, caches = make_space(), make_tasks(), make_caches(tmp_path / "taps", missing=True)
    options = TrainingOptions(epochs=6, batch_size=32, patience=1, checkpoint_s=0.0, lr=1e-2)
    evaluator = BatchedEvaluator(space, tasks, *caches, training=options)
    proposals = make_proposals(space, 8)
    expected = [e.errors for e in evaluator.evaluate(proposals)]

    def trainer() -> GenerationTrainer:
        own = [evaluator.candidate(p) for p in proposals]
        return GenerationTrainer(own, *caches, options, key=(0, 0))

    class Killed(Exception):
        pass

    first, checkpoint = trainer(), tmp_path / "0-1"
    epoch, count = first._epoch, 0

    def one_epoch() -> None:
        nonlocal count
        if count == stop:
            raise Killed
        count += 1
        epoch()

    first._epoch = one_epoch  # type: ignore[method-assign]
    with pytest.raises(Killed):
        first.run(checkpoint)
    assert checkpoint.is_file()
    assert [e.errors for e in trainer().run(checkpoint)] == expected


def test_a_child_starts_with_the_maps_it_has_in_common_with_its_parent(tmp_path: Path) -> None:
    evaluator = make_evaluator(tmp_path)
    parent = make_proposals(evaluator.space, 1)[0]
    genes = dict(parent.genes)
    genes["width"] = parent.genome.width
    other = "tanh" if genes["cell2.activation"] != "tanh" else "relu"
    child = replace(
        parent,
        slot=(1, 0),
        parent=parent.slot,
        genome=evaluator.space.decode({**genes, "cell2.activation": other}),
    )
    own, fresh = evaluator.candidate(parent), evaluator.candidate(child)
    store_weights(tmp_path / "w", parent.slot, own, state_of(own))
    inherit(tmp_path / "w", parent.slot, fresh)
    assert all(torch.equal(v, state_of(own)[n]) for n, v in state_of(fresh).items())
    with pytest.raises(FileNotFoundError, match=r"\(7, 7\).*folder in common"):
        inherit(tmp_path / "w", (7, 7), fresh)


def test_inheritance_through_the_evaluator(tmp_path: Path) -> None:
    space, tasks, caches = make_space(), make_tasks(), make_caches(tmp_path / "taps", missing=False)
    evaluator = BatchedEvaluator(
        space,
        tasks,
        *caches,
        training=TrainingOptions(epochs=4, lr=1e-2),
        weights=tmp_path / "w",
        inherits=True,
    )
    parents = make_proposals(space, 4)
    before = evaluator.evaluate(parents)
    children = [replace(p, slot=(1, i), parent=p.slot) for i, p in enumerate(parents)]
    after = evaluator.evaluate(children)
    assert sum(e.error for e in after) < sum(e.error for e in before)


def test_a_candidate_that_diverges_has_an_infinite_error(tmp_path: Path) -> None:
    evaluator = make_evaluator(tmp_path, lr=1e18, epochs=1)
    found = evaluator.evaluate(make_proposals(evaluator.space, 4))
    assert all(math.isinf(e.error) for e in found)


def test_what_the_data_lack_is_named(tmp_path: Path) -> None:
    caches = make_caches(tmp_path, missing=False)
    evaluator = BatchedEvaluator(
        make_space(), {**make_tasks(), "other": make_tasks()["y"]}, *caches, training=TrainingOptions()
    )
    with pytest.raises(ValueError, match="targets of task 'other'"):
        evaluator.evaluate(make_proposals(evaluator.space, 1))
    with pytest.raises(ValueError, match=r"`epochs` should be 1 or more. Found 0"):
        TrainingOptions(epochs=0)


def test_the_fingerprint_tells_what_the_errors_depend_on(tmp_path: Path) -> None:
    plain = make_evaluator(tmp_path)
    assert plain.fingerprint == make_evaluator(tmp_path).fingerprint
    assert plain.fingerprint != make_evaluator(tmp_path, lr=1e-3).fingerprint
    assert plain.fingerprint != make_evaluator(tmp_path, missing=True).fingerprint
