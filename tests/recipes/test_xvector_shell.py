from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open

from sennit.recipes.command_line import run_command
from sennit.recipes.xvector import saved
from sennit.recipes.xvector.reading import read_speech
from sennit.recipes.xvector.saved import SpeakerModel
from sennit.recipes.xvector.voices import Voices, read_voices
from sennit.tasks.verification import Backend
from tests.recipes.speaker_model import SPEAKERS, run, save_model
from tests.recipes.synthetic_voices import RATE, voice, write_voices


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data", speakers=SPEAKERS, recordings=4)


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(folder, tmp_path_factory.mktemp("models") / "model")


# The saved model


def test_a_saved_model_gives_the_same_scores(model: Path, tmp_path: Path, folder: Path) -> None:
    one = SpeakerModel.from_pretrained(model)
    waves = [read_speech(folder / "s00" / f"{i}.wav", RATE, min_seconds=0.1).waveform for i in range(2)]
    shutil.copytree(model, tmp_path / "moved")
    again = SpeakerModel.from_pretrained(tmp_path / "moved")
    x, y = one.embed(waves), again.embed(waves)
    np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(one.backend.score(x, x), again.backend.score(y, y))
    assert (one.fingerprint, one.sample_rate) == (again.fingerprint, RATE)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda p: (p / "speaker.json").unlink(), "should be the folder of a speaker model"),
        (lambda p: (p / "speaker.json").write_text("{"), "not valid JSON"),
        (lambda p: (p / "backend.safetensors").unlink(), "no file"),
        (lambda p: _cut(p / "backend.safetensors"), "Is it truncated"),
        (lambda p: _cut(p / "network" / "model.safetensors"), "Is it truncated"),
        (lambda p: _another_backend(p), "saved together"),
    ],
)
def test_a_damaged_model_is_refused(
    model: Path, tmp_path: Path, damage: Callable[[Path], Any], says: str
) -> None:
    shutil.copytree(model, tmp_path / "m")
    damage(tmp_path / "m")
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        SpeakerModel.from_pretrained(tmp_path / "m")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def _another_backend(folder: Path) -> None:
    backend = Backend.load(folder / "backend.safetensors")
    assert backend.mean is not None
    backend.mean = backend.mean + 1
    backend.save(folder / "backend.safetensors")


# Verification


def decision(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("decision")).split(maxsplit=1)[1]


def test_two_recordings_are_verified(model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for what, other in (("same", "s00/1.wav"), ("different", "s07/0.wav")):
        run("verify", folder / "s00" / "0.wav", folder / other, "--model", model)
        text = capsys.readouterr().out
        found[what] = decision(text)
        probability = float(text.split("probability")[1].split()[0])
        assert (probability >= 0.5) == (found[what] == "the same speaker")
    assert found == {"same": "the same speaker", "different": "different speakers"}


def test_a_lower_prior_makes_the_same_score_less_probable(
    model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = []
    for prior in (0.5, 0.001):
        run("verify", folder / "s00/0.wav", folder / "s00/1.wav", "--model", model, "--p_target", prior)
        table.append(capsys.readouterr().out.split())
    assert table[0][1] == table[1][1]
    first, second = (float(words[words.index("probability") + 1]) for words in table)
    assert first > second


def test_another_sampling_rate_is_resampled_and_said(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = voice(0, 0).repeat(2)
    soundfile.write(tmp_path / "a.wav", x, 2 * RATE)
    run("verify", folder / "s00" / "0.wav", tmp_path / "a.wav", "--model", model)
    assert f"a.wav: resampled from {2 * RATE} to {RATE} Hz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wave", "says"),
    [
        (voice(0, 0)[: RATE // 5], "should last 0.5 s or more. Found 0.20 s. It is too short"),
        (0 * voice(0, 0), "Found silence throughout"),
        (
            np.concatenate([voice(0, 0)[: RATE // 5], np.zeros(RATE)]),
            r"0.5 s of speech or more. Found 0.\d\d s in 1.20 s",
        ),
    ],
)
def test_what_is_too_short_or_silent_is_refused_with_the_reason(
    model: Path, folder: Path, tmp_path: Path, wave: np.ndarray, says: str
) -> None:
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    with pytest.raises(ValueError, match=says):
        run("verify", folder / "s00" / "0.wav", tmp_path / "a.wav", "--model", model)


def test_three_wrong_inputs_give_one_clear_line_each(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    good = folder / "s00" / "0.wav"
    wrong = [
        (["verify", good, tmp_path / "none.wav", "--model", model], "there should be an audio file"),
        (["verify", good, tmp_path / "text.wav", "--model", model], "that libsndfile reads"),
        (["verify", good, good, "--model", folder], "should be the folder of a speaker model"),
        (["verfy", good, good], "unknown command 'verfy'. Did you mean 'verify'?"),
    ]
    for arguments, says in wrong:
        with pytest.raises(SystemExit) as stopped:
            run_command(lambda own=arguments: run(*own), again="")
        line = str(stopped.value)
        assert line.startswith("error: ")
        assert says in line
        assert "\n" not in line


# Embeddings


@pytest.mark.parametrize("suffix", [".csv", ".safetensors"])
def test_embeddings_of_a_folder_and_a_file_are_written(
    model: Path, folder: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"e{suffix}"
    run("embed", folder / "s00", folder / "s01" / "0.wav", "--model", model, "--out", out)
    paths = [*(folder / "s00" / f"{i}.wav" for i in range(4)), folder / "s01" / "0.wav"]
    want = SpeakerModel.from_pretrained(model)
    x = want.embed([read_speech(p, RATE, min_seconds=0.1).waveform for p in paths])
    if suffix == ".csv":
        _, *rows = csv.reader(out.read_text().splitlines())
        assert [row[0] for row in rows] == [str(p) for p in paths]
        found = np.array([[float(v) for v in row[1:]] for row in rows])
    else:
        with safe_open(out, "np") as file:
            assert file.metadata()["paths"].split("\n") == [str(p) for p in paths]
            found = file.get_tensor("embeddings")
    np.testing.assert_allclose(found, x, rtol=1e-6)


def test_another_kind_of_file_is_refused_before_any_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("embed", folder, "--model", tmp_path, "--out", tmp_path / "e.npy")
    assert (
        f"--out should end in .safetensors or .csv. Found '{tmp_path / 'e.npy'}'." in capsys.readouterr().err
    )


def test_a_folder_without_recordings_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="should hold recordings"):
        run("embed", tmp_path / "empty", "--model", model, "--out", tmp_path / "e.csv")


# Identification


@pytest.fixture(scope="module")
def voices(model: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("enrolled") / "voices"
    for speaker in range(3):
        own = folder / f"s{speaker:02d}"
        run("enroll", f"s{speaker:02d}", own / "0.wav", own / "1.wav", "--voices", target, "--model", model)
    return target


def test_enrolled_speakers_are_identified_and_others_are_not(
    model: Path, folder: Path, voices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for speaker in (0, 1, 2, 6, 7, 8, 9):
        run("identify", folder / f"s{speaker:02d}" / "3.wav", "--voices", voices, "--model", model)
        found.append(capsys.readouterr().out.splitlines()[0].split()[1])
    assert found[:3] == ["s00", "s01", "s02"]
    assert found[3:].count("nobody") >= 3


def test_probabilities_are_those_of_bayes(model: Path, voices: Path) -> None:
    own = SpeakerModel.from_pretrained(model)
    enrolled = read_voices(voices, own)
    x = own.embed([torch.from_numpy(voice(1, 3)).float()])[0]
    ranked = dict(enrolled.identify(own, x, p_known=0.3))
    assert sum(ranked.values()) == pytest.approx(1)
    calibration = own.backend.calibration
    assert calibration is not None
    score = own.backend.score(own.backend.enrol(enrolled.embeddings, enrolled.owner), x[None])[:, 0]
    ratio = np.exp(calibration.llr(score))
    want = 0.1 * ratio / (0.1 * ratio.sum() + 0.7)
    for name, value in zip(("s00", "s01", "s02"), want, strict=True):
        assert ranked[name] == pytest.approx(value)
    assert ranked[None] == pytest.approx(1 - want.sum())


def test_a_voice_of_another_model_is_refused(model: Path, voices: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    _another_backend(other)
    about = json.loads((other / "speaker.json").read_text())
    (other / "speaker.json").write_text(json.dumps({**about, "fingerprint": saved._fingerprint(other)}))
    with pytest.raises(ValueError, match="should be enrolled with this model"):
        read_voices(voices, SpeakerModel.from_pretrained(other))


def test_a_voice_is_replaced_only_when_asked(model: Path, folder: Path, tmp_path: Path) -> None:
    given = ["enroll", "ann", folder / "s00", "--voices", tmp_path, "--model", model]
    run(*given)
    with pytest.raises(FileExistsError, match="--replace"):
        run(*given)
    run(*given[:2], folder / "s01" / "0.wav", *given[3:], "--replace")
    found = read_voices(tmp_path, SpeakerModel.from_pretrained(model))
    assert isinstance(found, Voices)
    assert (found.names, len(found.embeddings)) == (["ann"], 1)


@pytest.mark.parametrize("name", ["", "../ann", ".ann", "a/b"])
def test_a_name_that_is_no_file_is_refused(model: Path, folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="a name should be a file name"):
        run("enroll", name, folder / "s00/0.wav", "--voices", tmp_path / "v", "--model", model)
    assert not (tmp_path / "v").exists()


def test_nobody_enrolled_is_refused(model: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Enrol a speaker first"):
        run("identify", folder / "s00" / "0.wav", "--voices", tmp_path, "--model", model)
