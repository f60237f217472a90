"""Every registered acquisition against the contract."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.data import BatchDataset
from sennit.tasks import Classification, MultiLabel, MultiTaskModel, Regression, Task, create_sharing
from sennit.tasks.rounds import Acquisition, Choice, Pool, RoundState, create_acquisition, list_acquisitions
from sennit.tasks.rounds.acquisition._base import ACQUISITIONS
from sennit.tasks.rounds.acquisition._uncertainty import ByScore
from sennit.tasks.rounds.acquisition.agreement import allowed, joint_error
from sennit.tasks.rounds.looks import Looks
from sennit.testing.task_kit import check_config_round_trip
from tests.parts import make_batch, make_model

SIZE = 40
EXAMPLES: dict[str, dict[str, Any]] = {
    "agreement": {"of": "y", "bounded": False},
    "bald": {"count": 5, "passes": 4},
    "entropy": {"count": 5},
    "least_confident": {"count": 5},
    "margin": {"count": 5},
    "pseudo_label": {"threshold": 0.35, "of": ("y", "w")},
    "random": {"count": 5},
}
ACTIVE = [name for name in EXAMPLES if issubclass(ACQUISITIONS.get(name), ByScore)]
each = pytest.mark.parametrize("name", EXAMPLES)
active = pytest.mark.parametrize("name", ACTIVE)


def make_pool(**labelled: Any) -> Pool:
    rows = torch.arange(SIZE)
    targets = {"y": rows % 3, "w": torch.stack([rows % 2, rows % 3 == 0], 1).float()}
    known = {"w": torch.ones(SIZE, 2, dtype=torch.bool)}
    data = BatchDataset(make_batch(SIZE, targets=targets, labelled=known, index=rows + 500))
    return Pool(data, labelled={"y": range(500, 506), "w": range(500, 508)} | labelled)


def make(tasks: dict[str, Task] | None = None, dropout: float = 0.3, **more: Any) -> MultiTaskModel:
    tasks = tasks or {"y": Classification(3), "w": MultiLabel(2)}
    return make_model("gated", tasks, dropout=dropout, modality_dropout=0.5, **more)


def state_of(*models: MultiTaskModel, pool: Pool | None = None, number: int = 0, **more: Any) -> RoundState:
    pool = pool or make_pool()
    assert pool.collate is not None
    looks = Looks(models, pool, pool.collate, more.pop("batch_size", 16), (0, number, 2))
    return RoundState(models, pool, looks, more.pop("history", []), (0, number, 2))


def models_for(acquire: Acquisition) -> list[MultiTaskModel]:
    models = [make() for _ in range(acquire.learners)]
    with torch.no_grad():
        for p in (p for model in models for p in model.parameters()):
            p.add_(0.3 * torch.randn_like(p))
    return models


def test_every_acquisition_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_acquisitions())


def test_every_acquisition_has_its_line_in_the_docs() -> None:
    pages = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    section = pages.split("## Acquisitions\n")[1].split("\n## ")[0]
    assert [name for name in list_acquisitions() if f"| `{name}` |" not in section] == []


@each
def test_config_round_trip(name: str) -> None:
    check_config_round_trip(create_acquisition(name, **EXAMPLES[name]), ACQUISITIONS)


@each
def test_choices_are_of_unlabelled_samples_and_the_same_again(name: str) -> None:
    """Whatever random numbers came before, and however large the batches; nothing is changed."""
    acquire = create_acquisition(name, **EXAMPLES[name])
    models, pool = models_for(acquire), make_pool()
    acquire.check(models, pool)
    states = [{k: v.clone() for k, v in model.state_dict().items()} for model in models]
    modes = [[m.training for m in model.modules()] for model in models]
    choices = acquire.choose(state_of(*models, pool=pool))
    random = torch.get_rng_state()
    assert choices == acquire.choose(state_of(*models, pool=pool))
    assert torch.equal(random, torch.get_rng_state())
    assert choices
    for choice in choices:
        assert len(choice.ids) == len(choice.scores) == len(set(choice.ids)) > 0
        assert set(choice.ids) <= set(pool.unlabelled(choice.task))
        assert choice.values is None or len(choice.values) == len(choice.ids)
        assert (choice.by == "human") == (choice.values is None)
        assert json.dumps(json.loads(json.dumps(choice.values))) == json.dumps(choice.values)
        assert all(math.isfinite(score) for score in choice.scores)
    for model, state, of_model in zip(models, states, modes, strict=True):
        assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
        assert [m.training for m in model.modules()] == of_model


@each
def test_nothing_is_chosen_where_everything_is_labelled(name: str) -> None:
    acquire = create_acquisition(name, **EXAMPLES[name])
    pool = make_pool(y=range(500, 540), w=range(500, 540))
    assert acquire.choose(state_of(*models_for(acquire), pool=pool)) == []


@each
def test_a_task_that_it_cannot_score_or_does_not_know_is_refused_before_training(name: str) -> None:
    """modAL finds out at query time, after everything was trained."""
    cls, rows = ACQUISITIONS.get(name), torch.arange(SIZE)
    batch = make_batch(SIZE, targets={"y": torch.zeros(SIZE, 2)}, index=rows)
    numbers, pool = make({"y": Regression(2)}), Pool(BatchDataset(batch), labelled={"y": []})
    known, unknown = (cls(**EXAMPLES[name] | {"of": of}) for of in ("y", "x"))
    with pytest.raises(ValueError, match=r"unknown task in `of` 'x'"):
        unknown.check([numbers] * unknown.learners, pool)
    if name == "random":
        known.check([numbers], pool)
    else:
        with pytest.raises(TypeError, match="Found 'y', a regression"):
            known.check([numbers] * known.learners, pool)
    other = Pool(BatchDataset(make_batch(4, targets={"v": rows[:4]}, index=rows[:4])))
    with pytest.raises(ValueError, match=r"unknown task of the pool 'y'"):
        known.check([make()] * known.learners, other)


@each
def test_a_task_that_gives_no_answers_is_refused_before_training(name: str) -> None:
    """Its labels are for a view that only the training has."""
    acquire = create_acquisition(name, **EXAMPLES[name] | {"of": "y"})
    model = make({"y": Classification(3, view="weak"), "w": MultiLabel(2)})
    with pytest.raises(ValueError, match=r"unknown task in `of` 'y'"):
        acquire.check([model] * acquire.learners, make_pool())


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def plogp(p: list[float]) -> float:
    return -math.fsum(x * math.log(x) for x in p if x > 0)


def average(looks: list[list[list[list[float]]]], row: int, question: int) -> list[float]:
    return [mean([look[row][question][c] for look in looks]) for c in range(len(looks[0][row][question]))]


LOOPS: dict[str, Callable[[list[float], list[list[float]]], float]] = {
    "entropy": lambda p, looks: plogp(p),
    "margin": lambda p, looks: sorted(p)[-2] - max(p),
    "least_confident": lambda p, looks: 1 - max(p),
    "bald": lambda p, looks: plogp(p) - mean([plogp(q) for q in looks]),
}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("shape", [(3, 5, 1, 4), (3, 5, 6, 2)])
def test_scores_are_those_of_a_loop(name: str, shape: tuple[int, ...]) -> None:
    p = torch.rand(shape, dtype=torch.float64)
    p = (p / p.sum(-1, keepdim=True)).index_fill(1, torch.tensor(0), 0.0)
    p[:, 0, :, 0] = 1.0  # sure: 0 log 0
    acquire = create_acquisition(name, **EXAMPLES[name])
    assert isinstance(acquire, ByScore)
    looks = p.tolist()
    expected = [
        mean([LOOPS[name](average(looks, n, q), [look[n][q] for look in looks]) for q in range(shape[2])])
        for n in range(shape[1])
    ]
    torch.testing.assert_close(
        acquire.score(p), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12
    )


def test_bald_is_zero_where_looks_agree_and_log_c_where_each_is_sure_of_another() -> None:
    acquire = create_acquisition("bald", 1)
    assert isinstance(acquire, ByScore)
    unsure = torch.full((4, 1, 1, 4), 0.25, dtype=torch.float64)
    torch.testing.assert_close(acquire.score(unsure), torch.zeros(1, dtype=torch.float64))
    sure = torch.eye(4, dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(acquire.score(sure), torch.tensor([math.log(4)], dtype=torch.float64))


def test_probabilities_of_labels_are_pairs_also_from_several_looks() -> None:
    """Logits [S, N, L] of several looks have as many axes as those [N, L, 2] of a decision fusion."""
    for fusion in ("gated", "mean_probability"):
        model = make_model(fusion, {"w": MultiLabel(2), "y": Classification(3)}, dropout=0.3)
        looks = state_of(model).looks
        for passes in (0, 3):
            p = looks.probabilities(["w", "y"], list(range(500, 520)), passes=passes)
            assert p["w"].shape == (passes or 1, 20, 2, 2)
            assert p["y"].shape == (passes or 1, 20, 1, 3)
            torch.testing.assert_close(p["w"].sum(-1), torch.ones(passes or 1, 20, 2, dtype=torch.float64))
        batch = next(looks.batches(list(range(500, 520))))
        plain = model.eval()(batch)["w"].logits
        torch.testing.assert_close(
            looks.probabilities(["w"], range(500, 520))["w"][0, :16, :, 1].float(),
            model.tasks["w"].scores(plain)[:16],
        )


@active
def test_a_sample_is_asked_for_all_labels_that_it_lacks(name: str) -> None:
    pool = make_pool()
    choices = create_acquisition(name, **EXAMPLES[name]).choose(state_of(make(), pool=pool))
    chosen = {i for choice in choices for i in choice.ids}
    assert len(chosen) == 5
    for choice in choices:
        assert set(choice.ids) == chosen & set(pool.unlabelled(choice.task))


@active
def test_one_label_of_a_sample_may_be_asked_for(name: str) -> None:
    pool = make_pool(y=range(500, 530))
    acquire = create_acquisition(name, **EXAMPLES[name] | {"ask": "label", "count": 12})
    choices = acquire.choose(state_of(make(), pool=pool))
    assert sum(len(choice.ids) for choice in choices) == 12
    for choice in choices:
        assert set(choice.ids) <= set(pool.unlabelled(choice.task))


def test_scores_of_tasks_are_combined_by_weight() -> None:
    """The mean over the tasks whose label a sample lacks."""
    pool, model = make_pool(w=range(500, 510)), make()
    state = state_of(model, pool=pool)
    weights = {"w": 3.0, "y": 0.5}
    choices = create_acquisition("entropy", 34, weights=weights).choose(state)
    scores = {c.task: dict(zip(c.ids, c.scores, strict=True)) for c in choices}
    for task, weight in weights.items():
        p = state.looks.probabilities([task], pool.unlabelled(task))[task][0].tolist()
        for i, questions in zip(pool.unlabelled(task), p, strict=True):
            assert scores[task][i] == pytest.approx(weight * mean([plogp(q) for q in questions]))
    combined = {i: mean([of_task[i] for of_task in scores.values() if i in of_task]) for i in scores["y"]}
    best = sorted(combined, key=lambda i: -combined[i])[:5]
    few = create_acquisition("entropy", 5, weights=weights).choose(state)
    assert {i for choice in few for i in choice.ids} == set(best)
    with pytest.raises(ValueError, match=r"unknown task in `weights` 'v'"):
        create_acquisition("entropy", 5, weights={"v": 1.0}).check([model], pool)


def test_the_ids_with_the_largest_scores_are_chosen_the_largest_first() -> None:
    pool, model = make_pool(), make()
    state = state_of(model, pool=pool)
    (choice,) = create_acquisition("margin", 5, of="y").choose(state)
    p = state.looks.probabilities(["y"], pool.unlabelled("y"))["y"][0, :, 0]
    scores = {i: sorted(row)[-2] - max(row) for i, row in zip(pool.unlabelled("y"), p.tolist(), strict=True)}
    expected = sorted(scores, key=lambda i: -scores[i])[:5]
    assert list(choice.ids) == expected
    assert choice.scores == pytest.approx([scores[i] for i in expected])


def test_a_sample_without_what_a_task_reads_is_not_asked_for() -> None:
    model = make({"y": Classification(3, reads=("table",)), "w": MultiLabel(2)})
    pool = make_pool()
    batch = pool.__getitems__(pool.rows(pool.unlabelled("y")))
    readable = [int(i) for i in batch.index[batch.present["table"]]]
    (choice,) = create_acquisition("entropy", 100, of="y").choose(state_of(model, pool=pool))
    assert sorted(choice.ids) == readable != pool.unlabelled("y")


def test_chance_is_even_and_differs_from_round_to_round() -> None:
    pool, counts = make_pool(), torch.zeros(SIZE)
    model = make()
    for number in range(300):
        (choice,) = create_acquisition("random", 5, of="y").choose(state_of(model, pool=pool, number=number))
        counts[pool.rows(choice.ids)] += 1
    expected = 300 * 5 / 34
    assert bool((counts[6:] - expected).abs().max() < 5 * expected**0.5)


def test_pseudo_labels_are_confident_predictions_and_made_anew() -> None:
    pool, model = make_pool(), make()
    pool.label([510, 511], "y", by="model", values=[0, 0])
    state = state_of(model, pool=pool)
    ids = [*pool.unlabelled("y"), 510, 511]
    p = state.looks.probabilities(["y"], ids)["y"][0, :, 0]
    (choice,) = create_acquisition("pseudo_label", 0.4, of="y").choose(state)
    expected = {i: int(row.argmax()) for i, row in zip(ids, p, strict=True) if float(row.max()) >= 0.4}
    assert dict(zip(choice.ids, choice.values or (), strict=True)) == expected
    assert list(choice.scores) == sorted(choice.scores, reverse=True)
    assert (choice.by, choice.anew) == ("model", True)
    (few,) = create_acquisition("pseudo_label", 0.4, of="y", count=3).choose(state)
    assert few.ids == choice.ids[:3]
    (none,) = create_acquisition("pseudo_label", 1.0, of="y").choose(state)
    assert (none.ids, none.anew) == ((), True)  # those of the round before are withdrawn
    pool.withdraw("y", by="model")
    assert create_acquisition("pseudo_label", 1.0, of="y").choose(state) == []


def test_labels_of_a_multilabel_task_are_sure_one_by_one() -> None:
    pool, model = make_pool(), make()
    state = state_of(model, pool=pool)
    p = state.looks.probabilities(["w"], pool.unlabelled("w"))["w"][0]
    threshold = float(p.max(-1).values.median())
    (choice,) = create_acquisition("pseudo_label", threshold, of="w").choose(state)
    for i, value in zip(choice.ids, choice.values or (), strict=True):
        for entry, pair in zip(value, p[pool.unlabelled("w").index(i)].tolist(), strict=True):
            assert math.isnan(entry) if max(pair) < threshold else entry == float(pair[1] > pair[0])
    assert any(math.isnan(entry) for value in choice.values or () for entry in value)
    pool.label(choice.ids, "w", by="model", values=choice.values)
    batch = pool.__getitems__(pool.rows(choice.ids))
    assert torch.equal(batch.labelled["w"], ~torch.tensor(choice.values).isnan())


def agree(*, disagreement: bool) -> tuple[list[Choice], list[list[int]], Pool]:
    acquire = create_acquisition("agreement", "y", disagreement=disagreement, bounded=False)
    models, pool = models_for(acquire), make_pool()
    state = state_of(*models, pool=pool)
    ids = pool.unlabelled("y")
    labels = [
        state.looks.probabilities(["y"], ids, learner=i)["y"][0, :, 0].argmax(1).tolist() for i in range(3)
    ]
    return acquire.choose(state), labels, pool


@pytest.mark.parametrize("disagreement", [False, True])
def test_each_learner_receives_what_the_other_two_agree_on(disagreement: bool) -> None:
    choices, labels, pool = agree(disagreement=disagreement)
    for i in range(3):
        first, second = (labels[k] for k in range(3) if k != i)
        expected = {
            sample: a
            for sample, a, b, third in zip(pool.unlabelled("y"), first, second, labels[i], strict=True)
            if a == b and not (disagreement and third == a)
        }
        received = [c for c in choices if c.learner == i]
        assert {k: v for c in received for k, v in zip(c.ids, c.values or (), strict=True)} == expected


def published(error: float, before: float, count: int, count_before: int) -> int:
    """Table 1 of Zhou & Li, line by line."""
    if error < before:
        if count_before == 0:
            count_before = math.floor(error / (before - error) + 1)
        if count_before < count:
            if error * count < before * count_before:
                return count
            if count_before > error / (before - error):
                return math.ceil(before * count_before / error - 1)
    return 0


def test_the_number_of_samples_is_the_published_one_and_keeps_the_bound() -> None:
    for error in (0.0, 0.01, 0.1, 0.3, 0.6):
        for count in (0, 1, 7, 500):
            assert allowed(error, count, before=None) == published(error, 0.5, count, 0)
            for before in ((0.2, 30), (0.05, 400)):
                number = allowed(error, count, before=before)
                assert number == published(error, *(before[0], count, before[1]))
                assert number <= count
                assert number == 0 or error * number < before[0] * before[1]


def test_the_joint_error_counts_agreements_only() -> None:
    first, second, truth = (torch.tensor(x) for x in ([0, 1, 2, 0], [0, 1, 1, 1], [0, 2, 2, 0]))
    assert joint_error(first, second, truth) == 0.5  # right and wrong once each
    assert joint_error(first[2:], second[2:], truth[2:]) == 0.5  # no agreement: no better than chance


def test_a_subset_of_the_agreed_samples_keeps_the_bound() -> None:
    acquire = create_acquisition("agreement", "y")
    models, pool = models_for(acquire), make_pool()
    history = [
        [Choice("y", tuple(range(510, 514)), (1.0,) * 4, learner=i, notes={"error": 0.9}) for i in range(3)]
    ]
    for choice in acquire.choose(state_of(*models, pool=pool, history=history)):
        assert choice.notes["error"] * len(choice.ids) < 0.9 * 4


def test_bald_needs_dropout_and_looks_that_differ() -> None:
    model, pool = make(dropout=0.0), make_pool()
    acquire = create_acquisition("bald", 5)
    with pytest.raises(TypeError, match=r"acquisition 'bald' compares looks with dropout"):
        acquire.check([model], pool)
    # The option of a sharing without blocks drops nothing.
    with pytest.raises(TypeError, match=r"acquisition 'bald' compares looks with dropout"):
        acquire.check([make(dropout=0.0, sharing=create_sharing("hard", dropout=0.5))], pool)
    acquire.check([make(dropout=0.0, sharing=create_sharing("hard", depth=1, dropout=0.5))], pool)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "entropy", "count": 0}, r"`count` should be 1 or more\. Found 0"),
        ({"name": "entropy", "count": 1, "ask": "all"}, r"`ask` should be 'sample' or 'label'\. Found 'all'"),
        ({"name": "bald", "count": 1, "passes": 1}, r"`passes` should be 2 or more"),
        ({"name": "pseudo_label", "threshold": 1.5}, r"`threshold` should be from 0 to 1"),
        ({"name": "pseudo_label", "by": "human"}, r"unknown giver of pseudo-labels 'human'"),
        ({"name": "entropie", "count": 1}, r"unknown acquisition 'entropie'\. Did you mean 'entropy'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_acquisition(**options)


def test_a_score_that_is_no_number_is_refused() -> None:
    model = make()
    with torch.no_grad():
        for p in model.heads["y"].parameters():
            p.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"scores should be numbers\. Found NaN"):
        create_acquisition("entropy", 5, of="y").choose(state_of(model))
