"""The final round: the same start for all, the choice with a margin, and kills."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import Batch, BatchDataset
from sennit.fusion import create_fusion
from sennit.search import Final, SearchOptions, SearchResult, TrainingOptions, cache_taps, search
from sennit.search.final.finalists import structure, unlike
from sennit.search.final.margin import Scored, choose, paired_difference
from sennit.search.final.training import monitored
from sennit.tasks import Classification, MultiTaskModel, evaluate
from sennit.tasks.metrics import Answers
from tests.search.problem import make_batch, make_encoders, make_space, make_tasks
from tests.search.test_kills import fork, wait

FINAL = Final(candidates=2, against=("concat", "gated", "mmtm"), epochs=2, batch_size=32, lr=3e-3)
TRAIN, CHECK = (BatchDataset(make_batch(n, missing=True, seed=s)) for n, s in ((96, 0), (64, 1)))


def run(folder: Path, final: Final | None = FINAL, **options: Any) -> SearchResult:
    chosen = SearchOptions(
        generations=1, population=12, training=TrainingOptions(epochs=2, lr=1e-2), progress=False
    )
    given = {"objectives": ("error/y",), "space": make_space(), **options}
    return search(
        make_encoders(), make_tasks(), TRAIN, CHECK, folder=folder, final=final, options=chosen, **given
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("final")


@pytest.fixture(scope="module")
def result(folder: Path) -> SearchResult:
    return run(folder)


def rows_of(result: SearchResult) -> list[object]:
    assert result.final is not None
    return [replace(row, seconds=0.0) for row in result.final.rows]


def same(one: MultiTaskModel | None, other: MultiTaskModel | None) -> bool:
    assert one is not None
    assert other is not None
    states = one.state_dict(), other.state_dict()
    return all(torch.equal(x, states[1][name]) for name, x in states[0].items())


def test_every_finalist_starts_with_what_was_trained_on_the_taps(result: SearchResult) -> None:
    assert result.final is not None
    found = [row for row in result.final.rows if row.kind == "found"]
    assert [(row.name, row.auxiliary) for row in found] == [
        ("found 1", 0.0),
        ("found 1, auxiliary 1", 1.0),
        ("found 2", 0.0),
        ("found 2, auxiliary 1", 1.0),
    ]
    errors = {r.genome: r.evaluation.errors["y"] for r in result.records}
    for row in found:
        assert row.genome is not None
        assert row.frozen == pytest.approx(1 - errors[row.genome], abs=1e-6)
    assert all(row.tuned >= row.frozen for row in result.final.rows)
    assert all(row.kept_frozen == (row.tuned == row.frozen) for row in result.final.rows)


def test_the_model_is_the_chosen_row(result: SearchResult) -> None:
    assert result.model is not None
    assert result.final is not None
    chosen = result.final.chosen
    assert evaluate(result.model, CHECK.batch).metrics["y"]["accuracy"] == pytest.approx(chosen.tuned)
    assert not result.model.training
    assert chosen.name in result.final.reason or chosen.kind == "by hand"
    assert result.final.best_by_hand.kind == "by hand"
    assert result.final.best_found.tuned == max(r.tuned for r in result.final.rows if r.kind == "found")
    assert result.final.rows[0].error is None
    assert result.final.rows[0].difference == 0


def test_tuning_changes_the_encoders_of_the_model_and_not_those_given(folder: Path) -> None:
    before = {m: {n: x.clone() for n, x in e.state_dict().items()} for m, e in make_encoders().items()}
    encoders = make_encoders()
    final = replace(FINAL, candidates=1, against=("concat",), auxiliary=(0.0,), lr=1e-2, margin=0.0, epochs=4)
    options = SearchOptions(
        generations=1, population=12, training=TrainingOptions(epochs=2, lr=1e-2), progress=False
    )
    result = search(
        encoders,
        make_tasks(),
        TRAIN,
        CHECK,
        folder=folder,
        space=make_space(),
        objectives=("error/y",),
        final=final,
        options=options,
    )
    for m, state in before.items():
        assert all(torch.equal(x, state[n]) for n, x in encoders[m].state_dict().items())
    assert result.model is not None
    assert result.final is not None
    tuned = result.model.fused_encoder.leaves()["a"].state_dict()
    moved = any(not torch.equal(x, tuned[n]) for n, x in before["a"].items())
    assert moved != result.final.chosen.kept_frozen


def test_every_row_has_its_model(result: SearchResult) -> None:
    assert result.final is not None
    for row in result.final.rows:
        scored = evaluate(result.final.model(row.name), CHECK.batch).metrics["y"]["accuracy"]
        assert scored == pytest.approx(row.tuned)
    with pytest.raises(ValueError, match="unknown finalist 'found 3'"):
        result.final.model("found 3")


def test_the_same_call_again_reads_what_is_finished(result: SearchResult, folder: Path) -> None:
    again = run(folder)
    assert again.final is not None
    assert result.final is not None
    assert again.final.rows == result.final.rows
    assert same(again.model, result.model)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_killed_in_the_final_it_ends_as_if_it_never_was(result: SearchResult, tmp_path: Path) -> None:
    run(tmp_path, final=None)
    assert result.final is not None
    seconds = sum(row.seconds for row in result.final.rows)
    kills = 0
    while not wait(fork(lambda: run(tmp_path)), seconds * (0.2 + 0.25 * kills)):
        kills += 1
        assert kills < 30
    assert kills >= 1
    again = run(tmp_path)
    assert rows_of(again) == rows_of(result)
    assert same(again.model, result.model)


def test_repeats_count_by_their_mean(folder: Path) -> None:
    final = replace(FINAL, candidates=1, against=("concat",), auxiliary=(0.0,), repeats=2)
    table = run(folder, final).final
    assert table is not None
    assert [row.name for row in table.rows] == ["concat", "found 1"]
    assert all(row.tuned >= row.frozen for row in table.rows)


@pytest.mark.parametrize(
    ("final", "options", "error", "message"),
    [
        (replace(FINAL, against=("concta",)), {}, ValueError, "unknown fusion in `against` 'concta'"),
        (replace(FINAL, against=("early_pca",)), {}, ValueError, "Found 'early_pca', which is measured"),
        (FINAL, {"groups": [0, 1]}, ValueError, "a group for each of the 64 validation samples. Found 2"),
        (FINAL, {"objectives": ("error/y", "error/z")}, ValueError, "the error of one task, or the mean"),
    ],
)
def test_what_cannot_take_part_is_refused_by_name(
    final: Final, options: dict[str, Any], error: type[Exception], message: str, folder: Path
) -> None:
    with pytest.raises(error, match=message):
        run(folder, final, **({"name": "other"} if "objectives" in options else {}), **options)


def test_taps_cannot_be_tuned(folder: Path) -> None:
    taps = cache_taps(make_encoders(), CHECK, folder / "taps")
    with pytest.raises(TypeError, match=r"`validation` should be a dataset by index.*Found TapCache"):
        search(make_encoders(), make_tasks(), TRAIN, taps, folder=folder, final=FINAL)
    with pytest.raises(TypeError, match=r"`train` should be a dataset by index.*Found a list of batches"):
        search(make_encoders(), make_tasks(), [TRAIN.batch], CHECK, folder=folder, final=FINAL)


def test_a_search_about_a_regression_is_monitored_by_its_score() -> None:
    tasks = make_tasks()
    assert monitored(tasks, ["z"]) == "val/z/r2"
    assert monitored(tasks, ["y"]) == "val/y/accuracy"
    assert monitored(tasks, list(tasks)) == "val/mean"


def test_options_out_of_range_are_refused() -> None:
    for options in ({"epochs": 0}, {"lr": 0.0}, {"against": ()}, {"auxiliary": (-1.0,)}, {"margin": -1.0}):
        with pytest.raises(ValueError, match="should"):
            Final(**options)  # type: ignore[arg-type]


def test_finalists_are_of_unlike_structure(result: SearchResult) -> None:
    chosen = unlike(result.records, 4)
    assert len({structure(r.genome) for r in chosen}) == len(chosen) == 4
    assert chosen[0].values == min(r.values for r in result.records)
    genome = chosen[0].genome
    assert structure(replace(genome, width=99)) == structure(genome)


# The choice


TASK = {"y": Classification(2)}
TARGETS = torch.arange(200) % 2


def scored(name: str, right: np.ndarray, *, by_hand: bool, loss: float = 1.0, parameters: int = 1) -> Scored:
    """A finalist that is right where the mask says so."""
    predicted = torch.where(torch.from_numpy(right), TARGETS, 1 - TARGETS)
    logits = torch.nn.functional.one_hot(predicted, 2).float()
    every = torch.ones(200, dtype=torch.bool)
    answers = [{"y": Answers(logits, logits, TARGETS, every, every)}]
    return Scored(name, by_hand, float(right.mean()), loss, parameters, answers)


def mask(count: int) -> np.ndarray:
    """Right for the first samples."""
    return np.arange(200) < count


def shifted(count: int) -> np.ndarray:
    """Right for one sample more than the first ones, but wrong for ten of these."""
    return mask(count + 11) & ~(mask(count) & ~mask(count - 10))


def pick(*finalists: Scored, groups: Any = range(200), margin: float = 1.0) -> tuple[str, str]:
    return choose(finalists, TASK, groups, margin=margin)


def test_the_standard_error_is_that_of_paired_groups() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = (scored("x", rng.random(200) < p, by_hand=True) for p in (0.8, 0.6))
    gain = (
        ours.answers[0]["y"].logits.argmax(1).eq(TARGETS).double()
        - theirs.answers[0]["y"].logits.argmax(1).eq(TARGETS).double()
    ).numpy()
    difference, error = paired_difference(ours.answers, theirs.answers, TASK, range(200))
    assert difference == pytest.approx(gain.mean(), abs=1e-6)
    assert error == pytest.approx(gain.std() / np.sqrt(200), rel=0.2)
    groups = np.repeat(np.arange(10), 20)
    _, error = paired_difference(ours.answers, theirs.answers, TASK, list(groups))
    by_group = np.array([gain[groups == g].mean() for g in range(10)])
    assert error == pytest.approx(by_group.std() / np.sqrt(10), rel=0.2)


def test_the_plain_fusion_is_kept_unless_it_is_beaten_beyond_chance() -> None:
    plain = scored("concat", mask(150), by_hand=True)
    barely = scored("found 1", shifted(150), by_hand=False)
    clearly = scored("found 1", mask(180), by_hand=False)
    name, reason = pick(plain, barely)
    assert name == "concat"
    assert "The plain fusion concat is as good: found 1 is +0.0050 ± " in reason
    assert pick(plain, barely, margin=0.0)[0] == "found 1"
    assert pick(plain, clearly)[0] == "found 1"


def test_a_fusion_picked_by_hand_wins_where_it_is_better_or_as_good() -> None:
    plain = scored("concat", mask(120), by_hand=True)
    hand = scored("gated", mask(170), by_hand=True)
    assert pick(plain, hand, scored("found 1", mask(160), by_hand=False))[0] == "gated"
    name, reason = pick(plain, hand, scored("found 1", shifted(170), by_hand=False))
    assert name == "gated"
    assert "as good as what was found" in reason
    assert pick(plain, hand, scored("found 1", mask(195), by_hand=False))[0] == "found 1"


def test_one_group_shows_no_difference_beyond_chance() -> None:
    plain = scored("concat", mask(20), by_hand=True)
    name, reason = pick(plain, scored("found 1", mask(190), by_hand=False), groups=[7] * 200)
    assert name == "concat"
    assert "one group" in reason


def test_a_gain_in_one_group_alone_is_no_gain() -> None:
    """Two hundred samples of four subjects, where all of the gain is one subject's."""
    plain = scored("concat", mask(100), by_hand=True)
    found = scored(
        "found 1", mask(100) | ((np.arange(200) >= 150) & (np.arange(200) % 2 == 0)), by_hand=False
    )
    assert pick(plain, found)[0] == "found 1"
    assert pick(plain, found, groups=[i // 50 for i in range(200)], margin=1.5)[0] == "concat"


def test_ties_are_told_apart_by_the_loss_and_then_by_the_parameters() -> None:
    plain = scored("concat", mask(100), by_hand=True)
    one, two = (scored(n, mask(180), by_hand=False, loss=x) for n, x in (("found 1", 0.9), ("found 2", 0.5)))
    assert pick(plain, one, two)[0] == "found 2"
    small = scored("found 3", mask(180), by_hand=False, loss=0.5, parameters=0)
    assert pick(plain, one, two, small)[0] == "found 3"


def test_missing_labels_do_not_count() -> None:
    labelled = torch.arange(200) < 100
    ours, theirs = (scored("x", m, by_hand=True) for m in (mask(100), mask(50)))
    parts = [
        [{"y": replace(s.answers[0]["y"], labelled=labelled)}]  # right beyond the labels or not: no matter
        for s in (ours, theirs)
    ]
    assert paired_difference(*parts, TASK, range(200))[0] == pytest.approx(0.5)


def test_a_final_reads_samples_through_collate_and_transforms(tmp_path: Path) -> None:
    """Single samples with raw values and with a further target, through the encoders' preprocessing."""
    x = {m: x.numpy() for m, x in make_batch(60, missing=False).inputs.items()}
    samples = [
        {"inputs": {m: v[i] for m, v in x.items()}, "targets": {"y": int(x["a"][i, 0] > 0), "other": 0}}
        for i in range(60)
    ]

    class Samples(torch.utils.data.Dataset[Any]):
        def __init__(self, rows: list[Any]) -> None:
            self.rows = rows

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, i: int) -> Any:
            return self.rows[i]

    encoders, tasks = make_encoders(), {"y": Classification(2)}
    model = MultiTaskModel(
        encoders=make_encoders(),
        fusion=create_fusion("concat", make_encoders()),
        tasks={**tasks, "other": Classification(2)},
    )
    options = SearchOptions(
        generations=1,
        population=4,
        training=TrainingOptions(epochs=1),
        collate=model.collate,
        transforms={},
        progress=False,
    )
    final = replace(FINAL, candidates=1, against=("concat",), auxiliary=(0.0,), epochs=1)
    result = search(
        encoders,
        tasks,
        Samples(samples[:40]),
        Samples(samples[40:]),
        folder=tmp_path,
        final=final,
        options=options,
    )
    assert result.model is not None
    answer = result.model.predict([samples[0]["inputs"]])
    assert len(answer) == 1


def test_a_last_batch_of_one_sample_is_left_out(tmp_path: Path) -> None:
    check = BatchDataset(Batch.of(make_batch(20, missing=False).inputs, targets={"y": torch.arange(20) % 2}))
    whole = BatchDataset(Batch.of(make_batch(33, missing=False).inputs, targets={"y": torch.arange(33) % 2}))
    final = replace(FINAL, candidates=1, against=("concat",), auxiliary=(0.0,), epochs=1)
    options = SearchOptions(
        generations=1, population=3, training=TrainingOptions(epochs=1, batch_size=32), progress=False
    )
    result = search(
        make_encoders(), {"y": Classification(2)}, whole, check, folder=tmp_path, final=final, options=options
    )
    assert result.final is not None
