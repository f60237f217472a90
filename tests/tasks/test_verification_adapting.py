"""Back-ends in another place: adapted without labels, and the recordings that a calibration holds for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from sennit.tasks.verification import Backend, Domain, Impostors, cosine_scores, det_curve
from sennit.tasks.verification._adapting import adapted_projection, apart, nearest_pairs

DIM = 12
Place = tuple[np.ndarray, np.ndarray]


def place(speakers: int, each: int = 6, *, seed: int, elsewhere: bool = False) -> Place:
    """Speakers who differ alike everywhere; elsewhere, other directions vary, about another mean."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(speakers), each)
    deviation = np.where(np.arange(DIM) % 3 == 0, 1.2, 0.2)
    mean = 4.0 * np.ones(DIM)
    if elsewhere:
        deviation, mean = deviation[::-1], -3 * mean
    x = random.normal(size=(speakers, DIM))[codes] + deviation * random.normal(size=(len(codes), DIM))
    return x + mean, codes


@pytest.fixture(scope="module")
def here() -> Backend:
    x, speakers = place(60, seed=0)
    backend = Backend("plda").fit(x, speakers)
    scores, same = trials(backend, place(20, seed=1))
    backend.calibrate(scores, same, p_target=0.5)
    return backend


@pytest.fixture(scope="module")
def adapted(here: Backend) -> Backend:
    return here.adapt(place(40, seed=2, elsewhere=True)[0])


def trials(backend: Backend, recordings: Place) -> tuple[np.ndarray, np.ndarray]:
    x, speakers = recordings
    pairs = np.stack(np.triu_indices(len(x), 1), 1)
    return backend.score(x, x, pairs=pairs), speakers[pairs[:, 0]] == speakers[pairs[:, 1]]


def error(scores: np.ndarray, same: np.ndarray) -> float:
    return det_curve(scores, same).equal_error_rate()


def test_recordings_without_labels_make_a_backend_better_elsewhere(here: Backend, adapted: Backend) -> None:
    test = place(30, seed=3, elsewhere=True)
    scores, same = trials(adapted, test)
    pairs = np.stack(np.triu_indices(len(test[0]), 1), 1)
    centred = cosine_scores(test[0], test[0], mean=adapted.mean, pairs=pairs)
    assert error(*trials(here, test)) > 0.2
    assert error(scores, same) < 0.1 < error(centred, same)


def test_adapting_where_nothing_changed_keeps_what_was_learned(here: Backend) -> None:
    test = place(30, seed=3)
    adapted = here.adapt(place(20, seed=2)[0])
    pairs = np.stack(np.triu_indices(len(test[0]), 1), 1)
    scores, same = trials(adapted, test)
    assert error(scores, same) < error(cosine_scores(test[0], test[0], mean=here.mean, pairs=pairs), same)


def test_the_back_end_that_is_adapted_stays_as_it_was(here: Backend) -> None:
    test = place(5, seed=3)
    before = here.score(test[0], test[0])
    here.adapt(test[0])
    np.testing.assert_array_equal(here.score(test[0], test[0]), before)
    assert here.calibration is not None


def test_the_projection_is_that_of_the_formula() -> None:
    random = np.random.default_rng(0)
    x, root = random.normal(size=(30, 4)), random.normal(size=(4, 4))
    within = root @ root.T + np.eye(4)
    speakers = ["a", "a", "a", *[None] * 26, "b"]
    projection = adapted_projection(x, within, speakers)
    prior = 0.5 * within + 0.5 * np.trace(within) / 4 * np.eye(4)
    free = x[3:29]
    values, vectors = np.linalg.eigh(prior)
    unit = free @ (vectors / np.sqrt(values))
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    inner, count = np.zeros((4, 4)), 0
    nearest = []
    for i in range(26):
        ranked = sorted((j for j in range(26) if j != i), key=lambda j: -float(unit[i] @ unit[j]))
        nearest.append(set(ranked[:3]))
    for i in range(26):
        for j in range(i):
            if j in nearest[i] and i in nearest[j]:
                inner += np.outer(free[i] - free[j], free[i] - free[j]) / 2
                count += 1
    for row in x[:3] - x[:3].mean(0):
        inner += np.outer(row, row) * 3 / 2
        count += 1
    inner /= count
    share = count / (count + 50)
    want = (1 - share) * prior * np.trace(inner) / np.trace(prior) + share * inner
    np.testing.assert_allclose(projection.T @ want @ projection, np.eye(4), atol=1e-9)


def test_two_recordings_are_each_others_nearest() -> None:
    assert nearest_pairs(np.eye(2)).tolist() == [[0, 1]]
    near = nearest_pairs(np.array([[1.0, 0], [0.9, 0.1], [-1, 0], [-0.9, 0.2]]), 1)
    assert near.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("count", [1, 2, 5, 19])
def test_few_recordings_only_centre(here: Backend, count: int) -> None:
    x, _ = place(10, seed=2, elsewhere=True)
    adapted = here.adapt(x[:count])
    assert here.mean is not None
    mean = (x[:count].sum(0) + 2 * here.mean) / (count + 2)
    np.testing.assert_allclose(adapted.score(x, x), cosine_scores(x, x, mean=mean))
    assert (adapted.impostors, adapted.calibration) == (None, None)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_false_alarms_of_other_speakers_are_as_rare_as_asked_for(adapted: Backend, rate: float) -> None:
    scores, same = trials(adapted, place(40, seed=5, elsewhere=True))
    assert adapted.impostors is not None
    accepted = scores >= adapted.impostors.threshold(false_alarm=rate)
    assert rate / 10 < accepted[~same].mean() < rate
    assert accepted[same].mean() > 0.3


@pytest.mark.parametrize("speakers", [2, 6])
def test_few_speakers_make_false_alarms_rarer_not_more_frequent(here: Backend, speakers: int) -> None:
    adapted = here.adapt(place(speakers, 60 // speakers, seed=2, elsewhere=True)[0])
    scores, same = trials(adapted, place(40, seed=5, elsewhere=True))
    assert adapted.impostors is not None
    assert (scores[~same] >= adapted.impostors.threshold(false_alarm=0.05)).mean() < 0.05


def test_labels_of_five_speakers_calibrate_anew(here: Backend) -> None:
    x, codes = place(40, seed=2, elsewhere=True)
    labels = [f"s{code}" if code < 10 else None for code in codes]
    adapted = here.adapt(x, labels)
    scores, same = trials(adapted, place(40, seed=5, elsewhere=True))
    accepted = adapted.decide(scores, p_target=0.5)
    assert accepted[~same].mean() < 0.1
    assert (~accepted[same]).mean() < 0.1
    fewer = [f"s{code}" if code < 4 else None for code in codes]
    assert here.adapt(x, fewer).calibration is None


def test_an_adapted_back_end_and_its_domain_survive_a_file(adapted: Backend, tmp_path: Path) -> None:
    x, _ = place(10, seed=6, elsewhere=True)
    adapted.domain = Domain.fit(x, {"level": x[:, 0]}, {"level": (1.0, 1.0)})
    adapted.save(tmp_path / "b.safetensors")
    again = Backend.load(tmp_path / "b.safetensors")
    np.testing.assert_array_equal(again.score(x, x), adapted.score(x, x))
    assert again.impostors == adapted.impostors
    assert again.domain is not None
    far, want = (domain.distances(x, {"level": x[:, 1]}) for domain in (again.domain, adapted.domain))
    assert {name: value.tolist() for name, value in far.items()} == {
        name: value.tolist() for name, value in want.items()
    }
    np.testing.assert_array_equal(again.adapt(x).score(x, x), adapted.adapt(x).score(x, x))


def test_a_back_end_without_the_variation_within_speakers_does_not_adapt() -> None:
    x, _ = place(30, 1, seed=0)
    with pytest.raises(ValueError, match="variation within training speakers"):
        Backend("cosine").fit(x, np.arange(30)).adapt(x)
    with pytest.raises(RuntimeError, match="Call `fit` first"):
        Backend("cosine").adapt(x)


@pytest.mark.parametrize(
    ("x", "speakers", "says"),
    [
        (np.ones((3, DIM + 1)), None, "shape"),
        (np.ones((3, DIM)), ["a"], "each of 3 rows"),
        (np.full((3, DIM), np.nan), None, "row 0"),
    ],
)
def test_what_cannot_adapt_is_refused(here: Backend, x: np.ndarray, speakers: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        here.adapt(x, speakers)


# Impostors


def test_impostors_are_those_of_the_centre() -> None:
    scores = np.concatenate([np.linspace(-1, 1, 101), np.full(5, 50.0)])
    impostors = Impostors.fit(scores)
    middle = float(np.median(scores))
    low = [s for s in scores.tolist() if s <= middle]
    below = math.sqrt(sum((s - middle) ** 2 for s in low) / len(low))
    above = float(np.quantile(scores, 0.8413447460685429)) - middle
    assert 0 < below < above
    assert (impostors.mean, impostors.deviation) == (middle, pytest.approx((below + above) / 2))
    assert Impostors.fit(-(scores[:101] ** 3)).deviation > 0.3
    assert impostors.threshold(false_alarm=0.5) == pytest.approx(middle)
    assert Impostors.from_dict(impostors.to_dict()) == impostors


def test_the_halves_of_recordings_share_few_speakers() -> None:
    x, speakers = place(20, 5, seed=3)
    random = np.random.default_rng(0).permutation(len(x))
    first = apart(x[random])
    assert 0.4 <= first.mean() <= 0.6
    shares = [first[speakers[random] == speaker].mean() for speaker in range(20)]
    assert np.mean([max(share, 1 - share) for share in shares]) > 0.8


def test_impostors_that_cannot_be_estimated_are_refused() -> None:
    with pytest.raises(ValueError, match=r"all pairs of ten recordings\. Found 3"):
        Impostors.fit([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="should differ"):
        Impostors.fit(np.ones(50))
    with pytest.raises(ValueError, match=r"a share from 0 to 0\.5"):
        Impostors(0.0, 1.0, 45).threshold(false_alarm=5)
    with pytest.raises(ValueError, match="deviation above 0"):
        Impostors.from_dict({"mean": 0.0, "deviation": -1.0, "pairs": 45})


# The domain


def test_a_domain_holds_recordings_like_its_own_and_no_others() -> None:
    domain = Domain.fit(place(30, seed=0)[0], {}, {})
    assert (domain.distances(place(30, seed=1)[0], {})["embedding"] > 1).mean() < 0.05
    assert (domain.distances(place(30, seed=1, elsewhere=True)[0], {})["embedding"] > 1).all()


def test_the_distance_of_an_embedding_is_that_of_mahalanobis() -> None:
    x, _ = place(10, seed=0)
    domain = Domain.fit(x, {}, {})
    covariance = ledoit_wolf(x)[0]
    point = np.arange(DIM, dtype=float)
    want = math.sqrt((point - x.mean(0)) @ np.linalg.solve(covariance, point - x.mean(0)) / DIM)
    assert domain.distances(point[None], {})["embedding"][0] == pytest.approx(want / domain.limit)


def test_recordings_of_one_speaker_are_a_domain_that_others_are_outside() -> None:
    x, _ = place(1, 60, seed=2, elsewhere=True)
    others, _ = place(40, seed=5, elsewhere=True)
    assert (Domain.fit(x, {}, {}).distances(others, {})["embedding"] > 1).mean() > 0.95


def test_a_domain_of_two_places_is_not_what_lies_between_them() -> None:
    one, other = place(30, seed=0)[0], place(30, seed=1)[0] + 12
    both = Domain.fit(np.concatenate([one, other]), {}, {}, places=["a"] * len(one) + ["b"] * len(other))
    for x in (place(30, seed=2)[0], place(30, seed=3)[0] + 12):
        assert (both.distances(x, {})["embedding"] > 1).mean() < 0.05
    assert (both.distances(place(30, seed=2)[0] + 6, {})["embedding"] > 1).all()


def test_a_measure_is_inside_up_to_its_tolerance() -> None:
    x, _ = place(5, 2, seed=0)
    domain = Domain.fit(x, {"level": np.linspace(-30, -20, 10)}, {"level": (2.0, 8.0)})
    far = domain.distances(x[:4], {"level": [-32.0, -22.0, -12.0, -7.0]})["level"]
    np.testing.assert_allclose(far, [1, 0, 1, 1.5])


def test_a_domain_moves_to_few_recordings() -> None:
    domain = Domain.fit(place(30, seed=0)[0], {}, {})
    few, _ = place(1, 3, seed=4, elsewhere=True)
    moved = domain.moved(few, {}, {})
    assert (moved.distances(few, {})["embedding"] < 1).all()
    assert (moved.distances(place(5, seed=0)[0], {})["embedding"] > 1).all()


def test_what_makes_no_domain_is_refused() -> None:
    x, _ = place(5, 2, seed=0)
    with pytest.raises(ValueError, match="10 recordings or more"):
        Domain.fit(x[:9], {}, {})
    with pytest.raises(ValueError, match="10 finite numbers"):
        Domain.fit(x, {"level": [1.0]}, {"level": (1.0, 1.0)})
    with pytest.raises(ValueError, match="two amounts above 0 for each"):
        Domain.fit(x, {"level": np.ones(10)}, {"level": (1.0, 0.0)})
    with pytest.raises(ValueError, match="should be those of the domain"):
        Domain.fit(x, {}, {}).distances(x, {"level": np.ones(10)})
