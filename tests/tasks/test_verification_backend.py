"""Calibration, the back-end as a whole, its file and its pictures."""

from __future__ import annotations

import io
import json
import math
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from sennit.tasks.verification import (
    Backend,
    Calibration,
    as_norm,
    cllr,
    cohort_statistics,
    cosine_scores,
    det_curve,
    draw_det_curves,
    draw_embeddings,
    draw_scores,
    equal_error_rate,
    min_cllr,
)
from tests.disk import file_size_limit

KINDS: list[dict[str, Any]] = [
    {"kind": "cosine"},
    {"kind": "cosine", "lda_dim": 6, "cohort_top": 10},
    {"kind": "plda", "lda_dim": 6},
    {"kind": "plda", "cohort_top": 10},
]


def embeddings(
    speakers: int = 30, each: int = 5, *, seed: int = 0, noise: float = 0.4
) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(speakers), each)
    x = random.normal(size=(speakers, 12))[codes] + noise * random.normal(size=(len(codes), 12)) + 4
    return x, codes


def gaussian_scores(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Ratios of the scores ``3 x + 7`` are ``2 x - 2``."""
    random = np.random.default_rng(0)
    labels = random.random(n) < 0.3
    return 3 * (random.normal(size=n) + 2 * labels) + 7, labels


def trials(backend: Backend, x: np.ndarray, speakers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.triu_indices(len(x), 1)
    return backend.score(x, x)[first, second], speakers[first] == speakers[second]


def fitted(**options: Any) -> Backend:
    x, speakers = embeddings()
    backend = Backend(**options).fit(x, speakers)
    backend.calibrate(*trials(backend, *embeddings(10, seed=1)), p_target=0.1)
    return backend


def test_calibration_finds_the_ratios_of_gaussian_scores() -> None:
    scores, labels = gaussian_scores(40_000)
    calibration = Calibration.fit(scores, labels, p_target=0.5)
    assert calibration.scale == pytest.approx(2 / 3, rel=0.05)
    assert calibration.offset == pytest.approx(-2 - 14 / 3, rel=0.05)
    ratios = calibration.llr(scores)
    assert min_cllr(scores, labels) <= cllr(ratios, labels) < min_cllr(scores, labels) + 0.01


@pytest.mark.parametrize("p", [0.5, 0.01])
def test_calibration_costs_least_by_the_formula(p: float) -> None:
    scores, labels = gaussian_scores(500)

    def cost(calibration: Calibration) -> float:
        total = 0.0
        for kind, prior in ((True, p), (False, 1 - p)):
            own = [s for s, y in zip(scores.tolist(), labels.tolist(), strict=True) if y is kind]
            sure = (len(own) + 1) / (len(own) + 2)
            for s in own:
                odds = calibration.scale * s + calibration.offset + math.log(p / (1 - p))
                right = math.log1p(math.exp(-odds if kind else odds))
                wrong = math.log1p(math.exp(odds if kind else -odds))
                total += prior / len(own) * (sure * right + (1 - sure) * wrong)
        return total

    best = Calibration.fit(scores, labels, p_target=p)
    least = cost(best)
    for scale, offset in ((1e-3, 0), (-1e-3, 0), (0, 1e-2), (0, -1e-2)):
        assert cost(Calibration(best.scale + scale, best.offset + offset)) > least


def test_calibration_does_not_depend_on_the_scale_of_scores() -> None:
    scores, labels = gaussian_scores()
    want = Calibration.fit(scores, labels, p_target=0.1).llr(scores)
    moved = 1e-6 * scores + 1e3
    assert np.allclose(Calibration.fit(moved, labels, p_target=0.1).llr(moved), want, atol=1e-4)


def test_scores_without_an_error_have_a_finite_calibration_that_is_surer_with_more_trials() -> None:
    few, many = (Calibration.fit([0.0] * n + [1.0] * n, [0] * n + [1] * n, p_target=0.5) for n in (5, 500))
    assert 0 < few.scale < many.scale < math.inf


def test_the_threshold_is_where_both_decisions_cost_the_same() -> None:
    calibration = Calibration(1.5, -0.3)
    threshold = calibration.threshold(p_target=0.05, c_miss=10, c_fa=2)
    p = float(calibration.probability(threshold, p_target=0.05))
    assert p * 10 == pytest.approx((1 - p) * 2)
    assert calibration.probability(-1e6, p_target=0.5) == 0  # and no overflow on the way


def test_a_calibration_survives_json_bit_for_bit() -> None:
    calibration = Calibration.fit(*gaussian_scores(), p_target=0.1)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: Calibration.fit([1, 0], [0, 1], p_target=0.5), ValueError, "higher scores.*Negate them"),
        (lambda: Calibration.fit([1, 1], [0, 1], p_target=0.5), ValueError, "higher scores"),
        (lambda: Calibration.fit([0, 1], [0, 1], p_target=50), ValueError, "Is it a percentage"),
        (lambda: Calibration.fit([0, math.nan], [0, 1], p_target=0.5), ValueError, "finite"),
        (lambda: Calibration.from_dict({"scale": 1.0}), ValueError, "should have the keys"),
        (lambda: Calibration.from_dict({"scale": -1.0, "offset": 0.0}), ValueError, "scale above 0"),
        (lambda: Backend("plad"), ValueError, "unknown kind of back-end 'plad'. Did you mean 'plda'"),
        (lambda: Backend("cosine").score(*2 * [np.eye(3)]), RuntimeError, "Call `fit` first"),
        (lambda: Backend("cosine").save("x"), RuntimeError, "Call `fit` first"),
        (
            lambda: fitted(kind="cosine").score(np.eye(3), np.eye(3)),
            ValueError,
            "Is the back-end that of another",
        ),
        (lambda: Backend("cosine", cohort_top=31).fit(*embeddings()), ValueError, "from 2 to .* 30"),
        (lambda: Backend("plda", lda_dim=12).fit(*embeddings(6)), ValueError, "`dim` should be from 1 to 5"),
    ],
)
def test_what_cannot_be_fitted_or_scored_is_refused(call: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_nothing_is_decided_before_calibration_and_fitting_again_forgets_it() -> None:
    backend = fitted(kind="cosine")
    assert backend.decide([-1.0, 1.0], p_target=0.1).tolist() == [False, True]
    backend.fit(*embeddings())
    for call in (backend.decide, backend.probability):
        with pytest.raises(RuntimeError, match="Call `calibrate` with trials of development speakers"):
            call([0.5], p_target=0.1)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_back_end_tells_new_speakers_apart(options: dict[str, Any]) -> None:
    backend = fitted(**options)
    scores, labels = trials(backend, *embeddings(20, seed=2))
    assert equal_error_rate(scores, labels).value < 0.1
    accepted = backend.decide(scores, p_target=0.5)
    assert (1 - accepted[labels].mean()) + accepted[~labels].mean() < 0.25
    probability = backend.probability(scores, p_target=0.5)
    assert ((probability > 0.5) == accepted).all()


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_pairs_are_entries_of_the_matrix(options: dict[str, Any]) -> None:
    backend = fitted(**options)
    x, _ = embeddings(8, seed=2)
    pairs = np.random.default_rng(0).integers(0, 40, (30, 2))
    assert np.allclose(backend.score(x, x, pairs=pairs), backend.score(x, x)[tuple(pairs.T)], atol=1e-10)
    assert np.allclose(backend.score(torch.from_numpy(x), x.tolist()), backend.score(x, x), atol=1e-10)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_more_utterances_of_a_voice_find_it_better(options: dict[str, Any]) -> None:
    backend = fitted(**options)
    x, speakers = embeddings(40, 6, seed=3, noise=0.8)
    first, last = np.arange(0, 240, 6), np.arange(5, 240, 6)
    same = np.eye(40, dtype=bool)
    known = np.ones(240, dtype=bool)
    known[last] = False
    voices = backend.enrol(x[known], speakers[known])
    assert voices.names.tolist() == list(range(40))
    assert voices.counts.tolist() == [5] * 40
    one = equal_error_rate(backend.score(x[first], x[last]), same).value
    many = equal_error_rate(backend.score(voices, x[last]), same).value
    assert many < one


def test_the_cohort_is_the_training_speakers_in_pieces_or_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = fitted(kind="cosine", cohort_top=10)
    x, _ = embeddings(4, seed=2)
    whole = backend.score(x, x)
    y, train, speakers = backend.transform(x), *embeddings()
    means = np.stack([backend.transform(train)[speakers == s].mean(0) for s in range(30)])
    stats = cohort_statistics(cosine_scores(y, means), top=10)
    assert np.allclose(whole, as_norm(cosine_scores(y, y), stats, stats))
    monkeypatch.setattr("sennit.tasks.verification._scoring._MAX_SCORES", 100)
    assert np.allclose(backend.score(x, x), whole, atol=1e-12)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_back_end_is_the_same_from_its_file(options: dict[str, Any], tmp_path: Path) -> None:
    backend = fitted(**options)
    backend.save(tmp_path / "backend.safetensors")
    loaded = Backend.load(tmp_path / "backend.safetensors")
    x, speakers = embeddings(6, seed=2)
    voices = backend.enrol(x, speakers)
    assert np.array_equal(loaded.score(voices, x), backend.score(voices, x))
    assert loaded.calibration == backend.calibration
    assert [p.name for p in tmp_path.iterdir()] == ["backend.safetensors"]


def test_a_wrong_truncated_or_changed_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "backend.safetensors"
    with pytest.raises(FileNotFoundError, match=r"Give one that `Backend\.save` wrote"):
        Backend.load(file)
    save_file({"weight": np.zeros(3)}, file)
    with pytest.raises(ValueError, match=r"another safetensors file, with .'weight'.* Does it hold a model"):
        Backend.load(file)
    fitted(kind="plda", lda_dim=6).save(file)
    data = file.read_bytes()
    for cut in (0, 5, 100, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:cut])
        with pytest.raises(ValueError, match="Is it truncated"):
            Backend.load(file)
    for changed in (data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], data.replace(b"plda", b"pldb", 1)):
        file.write_bytes(changed)
        with pytest.raises(ValueError, match=r"was changed since|truncated|another safetensors"):
            Backend.load(file)


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "backend.safetensors"
    backend = fitted(kind="plda")
    backend.save(file)
    before = file.read_bytes()
    with file_size_limit(1000), pytest.raises(OSError, match="the disk is full"):
        fitted(kind="plda", cohort_top=10).save(file)
    assert file.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_pictures_show_what_was_counted() -> None:
    scores, labels = gaussian_scores()
    rate = equal_error_rate(scores, labels)
    curves = draw_det_curves({"a$b": det_curve(scores, labels), "all right": det_curve(labels, labels)})
    assert f"EER {100 * rate.value:.2f} %" in curves.legends[0].get_texts()[0].get_text()
    histograms = draw_scores(scores, labels, threshold=rate.threshold)
    texts = [text.get_text() for text in histograms.axes[0].get_legend().get_texts()]
    assert f"same speaker ({labels.sum():,} trials)" in texts
    assert draw_scores([1.0, 1.0], [0, 1]).axes
    x, speakers = embeddings(14, 4)
    groups = {"speaker": speakers, "sex": np.where(speakers % 2, "f", "m")}
    maps = [draw_embeddings(x, groups) for _ in range(2)]
    places = [m.axes[1].collections[0].get_offsets() for m in maps]
    assert np.array_equal(*places)
    for figure in (curves, histograms, *maps):
        figure.savefig(io.BytesIO(), format="png")
    with pytest.raises(ValueError, match="five embeddings or more"):
        draw_embeddings(x[:4], {})


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_real_data_have_the_known_reference() -> None:
    """Mean and deviation of MFCCs, normalised over all recordings, with LDA: an EER of about 1.3 %."""
    soundfile = pytest.importorskip("soundfile")
    from sennit.encoders.features import MFCC

    mfcc = MFCC(16000, n_mfcc=24, n_mels=30)
    sets: dict[str, list[tuple[str, np.ndarray]]] = {"train-clean-100": [], "test-other": []}
    with tarfile.open(Path(os.environ["SENNIT_DATA"]) / "librispeech_mini.tar") as tar:
        for member in (m for m in tar.getmembers() if m.name.endswith(".flac")):
            _, part, speaker, *_ = member.name.split("/")
            file = tar.extractfile(member)
            assert file is not None
            wave, _ = soundfile.read(io.BytesIO(file.read()), dtype="float32")
            sets[part].append((speaker, mfcc(torch.from_numpy(wave)[None])[0][0].numpy()))
    every = np.concatenate([frames for _, frames in sets["train-clean-100"]])
    mean, std = every.mean(0), every.std(0)

    def statistics(frames: np.ndarray) -> np.ndarray:
        frames = (frames - mean) / std
        return np.concatenate([frames.mean(0), frames.std(0)])

    chunks = [
        (speaker, statistics(frames[i : i + 200]))
        for speaker, frames in sets["train-clean-100"]
        for i in range(0, len(frames) - 199, 100)
    ]
    backend = Backend("cosine", lda_dim=20).fit(np.stack([x for _, x in chunks]), [s for s, _ in chunks])
    test = np.stack([statistics(frames) for _, frames in sets["test-other"]])
    scores, labels = trials(backend, test, np.array([s for s, _ in sets["test-other"]]))
    assert (len(labels), labels.sum()) == (4950, 450)
    assert equal_error_rate(scores, labels).value < 0.02
