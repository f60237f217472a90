"""Scores of embeddings: by the formulas of the papers, in plain float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sennit.tasks.verification import LDA, PLDA, as_norm, cohort_statistics, cosine_scores

# Fitted by `PLDA(rank_f=3, nb_iter=5000)` of speechbrain.processing.PLDA_LDA, version 1.1.2, on `voices()`;
# scores by its `fast_PLDA_scoring` of `waves(2, 3, 0.3)` against `waves(4, 3, 0.5)`.
SPEECHBRAIN_BETWEEN = [
    [2.523927028187855, 0.8254272633712763, -0.039841865213128415],
    [0.8254272633712763, 0.8017547100441668, 0.12934512673366533],
    [-0.039841865213128415, 0.12934512673366533, 0.19485413311097405],
]
SPEECHBRAIN_WITHIN = [
    [0.07724744525876526, 0.014046884659311809, 0.006588123374956602],
    [0.014046884659311809, 0.08842129180874503, 0.028152840551978336],
    [0.006588123374956602, 0.028152840551978336, 0.08772443508228531],
]
SPEECHBRAIN_SCORES = [
    [1.524749677760051, -4.609826620976597, -4.243938125274405, -1.8638005611590627],
    [-2.3447429110558766, -11.7706651974529, -6.372515801776981, -7.184011020779645],
]
# The same without the rows whose number leaves 3 after division by 7: speakers of 3 and of 4 utterances.
SPEECHBRAIN_UNEQUAL = [
    [2.494570078291382, 0.7985461669751286, -0.01311417030092618],
    [0.7985461669751286, 0.7543478141129256, 0.11429388955957098],
    [-0.01311417030092618, 0.11429388955957098, 0.1686083329215799],
]


def waves(rows: int, columns: int, speed: float) -> np.ndarray:
    """Numbers that no random generator can change."""
    return np.sin(speed * np.arange(1, rows * columns + 1) ** 1.5).reshape(rows, columns)


def voices() -> tuple[np.ndarray, np.ndarray]:
    own = np.repeat(waves(12, 3, 0.9), 4, 0) @ np.array([[2, 0.5, 0], [0, 1, 0.3], [0.2, 0, 0.6]])
    rest = 0.4 * waves(48, 3, 0.7) @ np.array([[1, 0.2, 0], [0, 1, 0.4], [0, 0, 1]])
    return own + rest + 1, np.repeat(np.arange(12), 4)


def drawn(speakers: int, each: int, dim: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(speakers), each)
    mixing = random.normal(size=(dim, dim))
    x = random.normal(size=(speakers, dim))[codes] @ mixing + random.normal(size=(len(codes), dim))
    return x + 3, codes


def log_normal(x: np.ndarray, covariance: np.ndarray) -> float:
    solved = x @ np.linalg.inv(covariance) @ x
    return -0.5 * (solved + np.log(np.linalg.det(covariance)) + len(x) * math.log(2 * math.pi))


def joint(plda: PLDA, n: int) -> np.ndarray:
    """The covariance of n utterances of one speaker, one below the other."""
    return np.kron(np.ones((n, n)), plda.between) + np.kron(np.eye(n), plda.within)


def log_likelihood(plda: PLDA, x: np.ndarray, speakers: np.ndarray) -> float:
    rows = [(x[speakers == s] - plda.mean).ravel() for s in np.unique(speakers)]
    return sum(log_normal(own, joint(plda, len(own) // x.shape[1])) for own in rows)


def test_cosines_are_the_angles_seen_from_the_mean() -> None:
    a, b, mean = waves(4, 5, 0.2), waves(3, 5, 0.4), waves(1, 5, 0.6)[0]
    found = cosine_scores(torch.from_numpy(a), b.tolist(), mean=mean)
    for i in range(4):
        for j in range(3):
            x, y = a[i] - mean, b[j] - mean
            by_hand = sum(x * y) / math.sqrt(sum(x * x) * sum(y * y))
            assert found[i, j] == pytest.approx(by_hand, abs=1e-14)


@pytest.mark.parametrize("method", ["cosine", "plda", "plda of several"])
def test_pairs_are_entries_of_the_matrix_in_pieces_or_whole(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sennit.tasks.verification._linear._ROWS", 7)
    a, b = waves(6, 3, 0.2), waves(5, 3, 0.4)
    i, j = np.random.default_rng(0).integers(0, 5, (2, 40))
    if method == "cosine":
        matrix, found = cosine_scores(a, b), cosine_scores(a, b, pairs=np.stack([i, j], 1))
    else:
        plda = PLDA.fit(*voices())
        counts = [1, 2, 1, 3, 2, 1] if method == "plda of several" else None
        matrix = plda.scores(a, b, counts=counts)
        found = plda.scores(a, b, counts=counts, pairs=np.stack([i, j], 1))
    assert np.allclose(found, matrix[i, j], atol=1e-13)


def test_lda_makes_what_varies_within_speakers_round_and_keeps_what_differs_most() -> None:
    x, speakers = drawn(300, 20, 6)
    lda = LDA.fit(x, speakers, dim=3)
    y = lda.transform(x)
    inner = y - np.stack([y[speakers == s].mean(0) for s in range(300)])[speakers]
    assert np.allclose(inner.T @ inner / (len(x) - 300), np.eye(3), atol=0.02)
    spread = np.array([y[speakers == s].mean(0) for s in range(300)]).var(0)
    assert (np.diff(spread) < 0).all()
    theirs = LinearDiscriminantAnalysis(solver="eigen", n_components=3).fit(x, speakers).scalings_[:, :3]
    ours, theirs = np.linalg.qr(lda.projection)[0], np.linalg.qr(theirs)[0]
    assert np.linalg.svd(ours.T @ theirs)[1].min() > 0.999  # the same subspace


def test_lda_works_with_few_utterances_in_many_dimensions_and_one_for_some() -> None:
    x, speakers = drawn(30, 3, 60)
    keep = np.r_[0, 3, np.arange(6, 90)]  # of two speakers a single one is left
    lda = LDA.fit(x[keep], speakers[keep], dim=20)
    assert np.isfinite(lda.transform(x)).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_plda_scores_are_ratios_of_gaussian_likelihoods(n: int) -> None:
    x, speakers = drawn(40, 6, 4)
    plda = PLDA.fit(x, speakers)
    enrol, test = x[:n], x[[5, 60]]
    found = plda.scores(enrol.mean(0, keepdims=True), test, counts=[n])[0]
    known = (enrol - plda.mean).ravel()
    for score, other in zip(found, test - plda.mean, strict=True):
        same = log_normal(np.concatenate([known, other]), joint(plda, n + 1))
        apart = log_normal(known, joint(plda, n)) + log_normal(other, joint(plda, 1))
        assert score == pytest.approx(same - apart, abs=1e-9)


def test_plda_has_the_numbers_of_a_published_implementation() -> None:
    plda = PLDA.fit(*voices())
    assert np.allclose(plda.between, SPEECHBRAIN_BETWEEN, atol=1e-10)
    assert np.allclose(plda.within, SPEECHBRAIN_WITHIN, atol=1e-10)
    assert np.allclose(plda.scores(waves(2, 3, 0.3), waves(4, 3, 0.5)), SPEECHBRAIN_SCORES, atol=1e-9)


def test_plda_of_unequal_speakers_has_the_numbers_of_a_published_implementation() -> None:
    x, speakers = voices()
    keep = np.arange(48) % 7 != 3
    assert np.allclose(PLDA.fit(x[keep], speakers[keep]).between, SPEECHBRAIN_UNEQUAL, atol=1e-5)


@pytest.mark.parametrize(("speakers", "each", "dim", "seed"), [(12, 4, 3, 0), (12, 4, 8, 0), (10, 3, 2, 5)])
def test_plda_is_as_likely_as_can_be(speakers: int, each: int, dim: int, seed: int) -> None:
    """Also where some directions differ less between speakers than by chance: with 8, and with seed 5."""
    x, codes = drawn(speakers, each, dim, seed=seed)
    keep = np.random.default_rng(1).random(len(x)) < 0.7
    x, codes = x[keep], codes[keep]
    plda = PLDA.fit(x, codes)
    best = log_likelihood(plda, x, codes)
    random = np.random.default_rng(2)
    for _ in range(20):
        turn = np.eye(dim) + 0.01 * random.normal(size=(dim, dim))
        more = 0.1 * random.normal(size=dim)
        between, within = (turn @ c @ turn.T for c in (plda.between, plda.within))
        for changed in (
            PLDA(plda.mean, between, plda.within),
            PLDA(plda.mean, plda.between, within),
            PLDA(plda.mean, plda.between + np.outer(more, more), plda.within),
        ):
            assert log_likelihood(changed, x, codes) < best + 1e-4


def test_plda_scores_do_not_depend_on_the_axes() -> None:
    x, speakers = drawn(30, 4, 3)
    turn, shift = np.array([[2.0, 1, 0], [0, 0.1, 1], [1, 0, 5]]), np.array([1.0, -2, 30])
    before = PLDA.fit(x, speakers).scores(x[:5], x[:9])
    after = PLDA.fit(x @ turn + shift, speakers).scores(x[:5] @ turn + shift, x[:9] @ turn + shift)
    assert np.allclose(before, after, atol=1e-8)


def test_more_utterances_make_surer() -> None:
    plda = PLDA(np.zeros(3), np.eye(3), 0.5 * np.eye(3))
    voice = np.ones((2, 3))
    same, other = plda.scores(voice, np.array([[1.0, 1, 1], [-1, -1, -1]]), counts=[1, 4]).T
    assert same[1] > same[0] > 0 > other[0] > other[1]


def test_as_norm_is_the_papers() -> None:
    scores, a, b = waves(3, 4, 0.3), waves(3, 9, 0.5), waves(4, 9, 0.7)
    found = as_norm(scores, cohort_statistics(a, top=5), cohort_statistics(b, top=5))
    for i in range(3):
        for j in range(4):
            e, t = (np.array(sorted(row)[-5:]) for row in (a[i], b[j]))
            by_hand = 0.5 * ((scores[i, j] - e.mean()) / e.std() + (scores[i, j] - t.mean()) / t.std())
            assert found[i, j] == pytest.approx(by_hand, abs=1e-12)
    pairs = np.array([[0, 3], [2, 1]])
    picked = as_norm(
        scores[pairs[:, 0], pairs[:, 1]],
        cohort_statistics(a, top=5),
        cohort_statistics(b, top=5),
        pairs=pairs,
    )
    assert np.allclose(picked, [found[0, 3], found[2, 1]])


X, SPEAKERS = voices()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: cosine_scores(X[0], X), r"`enrol` should have shape .*Found \(3,\).*`x\[None\]`"),
        (lambda: cosine_scores(X, X[:0]), r"`test` .* Found \(0, 3\). Is it empty"),
        (lambda: cosine_scores(X, X[:, :2]), r"`test` .* 3 dimensions\]. Found \(48, 2\). .* another model"),
        (lambda: cosine_scores(X * [[math.nan]], X), "`enrol` should be finite. .* row 0"),
        (lambda: cosine_scores(X, X, mean=X[4]), "all zeros.* row 4"),
        (
            lambda: cosine_scores(X, X, pairs=[[0, 48]]),
            r"`pairs\[:, 1\]` should be rows of the test, 0 to 47",
        ),
        (lambda: cosine_scores(X, X, pairs=[0, 1]), r"`pairs` should be integers of shape \[trials, 2\]"),
        (lambda: LDA.fit(X, SPEAKERS, dim=4), "`dim` should be from 1 to 3"),
        (lambda: LDA.fit(X, SPEAKERS[:-1], dim=2), "`speakers` should name the speaker of each of 48 rows"),
        (lambda: LDA.fit(X, np.arange(48), dim=2), "one speaker twice. .* Cut the recordings into chunks"),
        (lambda: PLDA.fit(X, np.arange(48)), "one speaker twice"),
        (
            lambda: PLDA.fit(X[:, [0, 1, 1]], SPEAKERS),
            "should have rank 3, the number of dimensions. Found 2.*LDA first",
        ),
        (lambda: PLDA.fit(X[:4], [0, 0, 1, 1]), "Found 2, from 4 rows of 2"),
        (lambda: PLDA.fit(X, SPEAKERS).scores(X, X, counts=[1]), "`counts` should be 48 numbers"),
        (lambda: cohort_statistics(X, top=4), "`top` should be from 2 to the size of the cohort"),
        (lambda: cohort_statistics(X, top=1), "`top` should be from 2"),
        (lambda: cohort_statistics(X * 0, top=2), "should differ. .* several times"),
        (lambda: cohort_statistics(X * math.nan, top=2), "should be finite"),
        (
            lambda: as_norm(X, cohort_statistics(X, top=2), cohort_statistics(X, top=2)),
            r"`scores` should have shape \(48, 48\)",
        ),
    ],
)
def test_embeddings_that_cannot_be_scored_are_refused(call: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        call()
