from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sennit.recipes.xvector.__main__ import main
from sennit.recipes.xvector.data import InMemory, read_corpus
from sennit.recipes.xvector.network import build, encoder_of
from sennit.recipes.xvector.probing.classifiers import majority, probe_accuracy, shuffled
from sennit.recipes.xvector.probing.questions import CHANNELS, SPEEDS, Channel, EvenSpeed, Question, questions
from sennit.recipes.xvector.saved import save_speaker_model
from sennit.tasks.verification import Backend
from tests.recipes.synthetic_voices import RATE, voice, write_voices
from tests.recipes.test_xvector_recipe import SYSTEM, tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data", speakers=9, recordings=3)


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Question]:
    recordings = InMemory(read_corpus(folder, "tree"), RATE)
    torch.manual_seed(0)
    model = build(tiny(folder), *SYSTEM, recordings.corpus, margin=0.2, warmup=0).eval()
    return {q.name: q for q in questions(encoder_of(model), recordings, seconds=0.5, count=2)}


def test_every_label_is_asked_at_every_tap(found: dict[str, Question]) -> None:
    assert list(found) == ["speaker", "speed", "augmentation", "channel"]  # lengths: recordings are short
    taps = [f"frame{i}" for i in range(1, 6)] + ["pooling", "segment6 (embedding)"]
    for question in found.values():
        assert list(question.features) == taps
        assert {len(x) for x in question.features.values()} == {len(question.label)} == {54}


@pytest.mark.parametrize("seed", range(3))
def test_no_group_is_on_both_sides(found: dict[str, Question], seed: int) -> None:
    for question in found.values():
        train, test = question.split(seed)
        assert not set(question.group[train]) & set(question.group[test])
        assert sorted([*train, *test]) == list(range(54))
    speakers = found["speaker"]
    train, test = speakers.split(seed)
    assert set(speakers.label[train]) == set(speakers.label[test]) == set(range(9))
    assert speakers.split_by == "recording"
    assert len(np.unique(found["speed"].group)) == 9, "by speaker"


def test_speakers_of_a_single_recording_are_split_by_crop(folder: Path) -> None:
    corpus = read_corpus(folder, "tree")
    once = InMemory(corpus.select([rows[0] for rows in corpus.by_speaker()]), RATE)
    torch.manual_seed(0)
    model = build(tiny(folder), *SYSTEM, once.corpus, margin=0.2, warmup=0).eval()
    question = next(iter(questions(encoder_of(model), once, seconds=0.4, count=3)))
    assert (question.name, question.split_by) == ("speaker", "crop")
    train, test = question.split(0)
    assert (len(train), len(test)) == (18, 9)


def test_speed_does_not_show_in_the_length() -> None:
    out = EvenSpeed()(torch.randn(12, 1100), generator=torch.Generator().manual_seed(0))
    assert out.x.shape == (12, 1000)
    assert out.mask is None
    assert set(out.drawn["speed"].tolist()) == set(range(len(SPEEDS)))


def test_a_channel_is_the_same_filter_each_time() -> None:
    x = torch.randn(1, 4000).repeat(16, 1)
    channel = Channel(RATE)
    out = channel(x, generator=torch.Generator().manual_seed(0))
    which = out.drawn["channel"]
    assert set(which.tolist()) == set(range(CHANNELS))
    for c in range(CHANNELS):
        own = out.x[which == c]
        torch.testing.assert_close(own, own[:1].expand_as(own))
    assert not torch.allclose(out.x[which == 0][0], out.x[which == 1][0], atol=1e-2)
    torch.testing.assert_close(Channel(RATE).responses, channel.responses)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_probe_finds_what_is_there_and_nothing_in_shuffled_labels(kind: str) -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 3, 400)
    x = 1e3 * (random.normal(size=(3, 10))[label] + 0.3 * random.normal(size=(400, 10))) + 5e4
    train, test = np.arange(200), np.arange(200, 400)
    assert probe_accuracy(kind, x, label, train, test, seed=0) > 0.95
    mixed = shuffled(label, train, 0)
    assert (mixed[test] == label[test]).all()
    assert sorted(mixed[train]) == sorted(label[train])
    assert probe_accuracy(kind, x, mixed, train, test, seed=0) < 0.5


def test_a_ring_is_for_the_multi_layer_probe_alone() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 2))
    label = (np.linalg.norm(x, axis=1) > 1.2).astype(np.int64)
    train, test = np.arange(400), np.arange(400, 600)
    linear, mlp = (probe_accuracy(kind, x, label, train, test, seed=0) for kind in ("linear", "mlp"))
    assert mlp > 0.9
    assert linear < 0.7


def test_the_majority_is_that_of_the_rows_to_learn_from() -> None:
    label = np.array([0, 0, 1, 1, 1, 0])
    assert majority(label, np.arange(3), np.arange(3, 6)) == pytest.approx(1 / 3)


def test_a_feature_that_never_varies_is_no_harm() -> None:
    x, label = np.ones((40, 2)), np.arange(40) % 2
    x[:, 1] = label
    assert probe_accuracy("linear", x, label, np.arange(20), np.arange(20, 40), seed=0) == 1.0


def test_the_command_writes_a_table_and_a_picture(folder: Path, tmp_path: Path) -> None:
    corpus = read_corpus(folder, "tree")
    torch.manual_seed(0)
    network = build(tiny(folder), *SYSTEM, corpus, margin=0.2, warmup=0).eval()
    waves = [torch.from_numpy(voice(s, n)).float() for s in range(6) for n in range(3)]
    with torch.no_grad():
        x = torch.cat([encoder_of(network)(wave.unsqueeze(0)).pooled for wave in waves]).numpy()
    speaker = np.repeat(np.arange(6), 3)
    backend = Backend("cosine").fit(x, speaker)
    backend.calibrate([0.0, 1.0], [0, 1], p_target=0.5)
    save_speaker_model(tmp_path / "model", network, backend, p_target=0.5)
    given = ["--data", str(folder), "--corpus", "tree", "--seconds", "0.5", "--count", "2", "--repeats", "1"]
    main(["probe", "--model", str(tmp_path / "model"), *given, "--out", str(tmp_path / "out")])
    rows = list(csv.DictReader((tmp_path / "out" / "probes.csv").read_text().splitlines()))
    assert {row["tap"] for row in rows} >= {"majority", "shuffled labels", "mean MFCC", "frame1", "pooling"}
    table = json.loads((tmp_path / "out" / "probes.json").read_text())
    assert len(table["table"]) == len(rows)
    assert all(0 <= row["accuracy"] <= 1 for row in table["table"])
    accuracy = {(r["question"], r["tap"], r["probe"]): float(r["accuracy"]) for r in rows}
    assert accuracy["speaker", "frame1", "linear"] > 0.8
    assert accuracy["speaker", "shuffled labels", "linear"] < 0.5
    assert (tmp_path / "out" / "probes.png").read_bytes()[:4] == b"\x89PNG"
