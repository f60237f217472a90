"""Recordings unlike those of the calibration, and a model that is adapted to them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from sennit.recipes.xvector.judging import Place
from sennit.recipes.xvector.reading import read_speech
from sennit.recipes.xvector.saved import SpeakerModel, save_speaker_model
from sennit.recipes.xvector.signals import measures_of
from sennit.tasks.verification import Backend
from tests.recipes.speaker_model import SPEAKERS, run, save_model
from tests.recipes.synthetic_voices import RATE, voice, write_voices


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices") / "data", speakers=SPEAKERS, recordings=4)


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(folder, tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other speakers, by a microphone that hisses and hums."""
    target = tmp_path_factory.mktemp("elsewhere")
    for speaker in range(20, 32):
        (target / f"s{speaker}").mkdir()
        for number in range(4):
            x = through(voice(speaker, number), speaker * 4 + number)
            soundfile.write(target / f"s{speaker}" / f"{number}.wav", x, RATE, subtype="PCM_16")
    return target


@pytest.fixture(scope="module")
def adapted(model: Path, elsewhere: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapted") / "model"
    run("adapt", "--model", model, "--recordings", elsewhere, "--out", out)
    return out


def through(x: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    hum = 0.2 * np.sin(2 * np.pi * 100 * np.arange(len(x)) / RATE)
    return np.asarray(0.5 * np.append(x[:1], x[1:] - 0.9 * x[:-1]) + hum + 0.1 * random.normal(size=len(x)))


def answers(text: str) -> dict[str, str]:
    """Return what each line says, by its first word."""
    return dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line)


# Outside


TIME = np.arange(2 * RATE) / RATE
TONE = 0.3 * np.sin(2 * np.pi * 440 * TIME)
NOISE = 0.1 * np.random.default_rng(0).normal(size=len(TIME))
QUIET = 0.1 * voice(0, 2)


@pytest.mark.parametrize(
    ("wave", "rate", "by"),
    [
        (TONE, RATE, {"bandwidth"}),
        (NOISE, RATE, {"bandwidth"}),
        (QUIET, RATE, {"energy"}),
        (resample_poly(voice(0, 2), 1, 2), RATE // 2, {"sample rate"}),
        (through(voice(0, 2), 0), RATE, {"bandwidth"}),
        (voice(0, 2, seconds=0.55), RATE, {"duration"}),
    ],
)
def test_recordings_unlike_the_calibration_get_no_probability(
    model: Path,
    folder: Path,
    tmp_path: Path,
    wave: np.ndarray,
    rate: int,
    by: set[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
    run("verify", folder / "s00" / "0.wav", tmp_path / "a.wav", "--model", model, "--min_seconds", 0.3)
    text = capsys.readouterr().out
    said = answers(text)
    assert (said["probability"], said["decision"]) == ("none", "none")
    assert np.isfinite(float(said["score"]))
    note = text[text.index("outside what this model was calibrated for") :]
    assert by <= {  # a network of random weights: the signal says it, if not the embedding
        name for name in ("embedding", "duration", "energy", "bandwidth", "sample rate") if name in note
    }
    assert "sennit xvector adapt" in note


def test_a_probability_outside_is_given_when_asked_for_and_marked(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", TONE, RATE)
    given = ["verify", folder / "s00" / "0.wav", tmp_path / "a.wav", "--model", model]
    run(*given, "--probability_anyway", "true")
    text = capsys.readouterr().out
    assert 0 <= float(answers(text)["probability"].split()[0]) <= 1
    assert answers(text)["decision"] in ("the same speaker", "different speakers")
    assert "note: outside what this model was calibrated for" in text


def test_recordings_of_speakers_like_those_of_the_calibration_are_inside(model: Path, folder: Path) -> None:
    own = SpeakerModel.from_pretrained(model)
    waves = [torch.from_numpy(voice(speaker, 0)).float() for speaker in range(12, 20)]
    places = [Place.of(own, own.embed([x]), [measures_of(x, RATE, RATE)]) for x in waves]
    assert sum(bool(place.outside) for place in places) <= 1


def test_a_stranger_is_nobody_and_a_recording_from_elsewhere_is_undecided(
    model: Path, folder: Path, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("s00", "s01"):
        run(
            "enroll",
            name,
            folder / name / "0.wav",
            folder / name / "1.wav",
            "--voices",
            tmp_path,
            "--model",
            model,
        )
    capsys.readouterr()
    said = []
    for path in (folder / "s00" / "3.wav", folder / "s07" / "3.wav", elsewhere / "s20" / "0.wav"):
        run("identify", path, "--voices", tmp_path, "--model", model)
        said.append(answers(capsys.readouterr().out)["speaker"])
    assert said == ["s00", "nobody of the 2 enrolled", "undecided"]


def test_a_voice_from_elsewhere_is_said_when_it_is_enrolled(
    model: Path, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("enroll", "ann", elsewhere / "s20", "--voices", tmp_path, "--model", model)
    assert "outside what this model was calibrated for: bandwidth" in capsys.readouterr().out


def test_a_model_without_its_domain_scores_and_gives_no_probability(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As those that were saved before there were domains."""
    old = SpeakerModel.from_pretrained(model)
    old.backend.domain = None
    save_speaker_model(tmp_path / "old", old.network, old.backend, p_target=0.5)
    run("verify", folder / "s00/0.wav", folder / "s00/1.wav", "--model", tmp_path / "old")
    text = capsys.readouterr().out
    assert answers(text)["probability"] == "none"
    assert "saved without the domain" in text
    assert "Train it again" in text


# Adapting


def test_an_adapted_model_decides_by_false_alarms_and_gives_no_probability(
    adapted: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = SpeakerModel.from_pretrained(adapted)
    assert own.backend.calibration is None
    assert own.backend.impostors is not None
    said = []
    for other in ("s20/1.wav", "s25/0.wav"):
        run("verify", elsewhere / "s20/0.wav", elsewhere / other, "--model", adapted, "--false_alarm", 0.05)
        text = capsys.readouterr().out
        said.append(answers(text)["decision"])
        assert answers(text)["probability"] == "none"
        score = float(answers(text)["score"])
        assert (said[-1] == "the same speaker") == (
            score >= own.backend.impostors.threshold(false_alarm=0.05)
        )
        assert "at most 5.00% of false alarms" in text
    assert said[1] == "different speakers"


def test_what_was_inside_is_outside_an_adapted_model(
    adapted: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("verify", folder / "s00/0.wav", folder / "s00/1.wav", "--model", adapted)
    assert answers(capsys.readouterr().out)["decision"] == "none"


def test_voices_stay_with_an_adapted_model(
    model: Path, adapted: Path, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("s20", "s21"):
        run("enroll", name, elsewhere / name / "0.wav", "--voices", tmp_path, "--model", model)
    capsys.readouterr()
    given = ["--voices", tmp_path, "--model", adapted, "--false_alarm", 0.5]
    run("identify", elsewhere / "s20/1.wav", *given)
    text = capsys.readouterr().out
    assert answers(text)["speaker"] in ("s20", "s21", "nobody of the 2 enrolled")
    assert "(score)" in text


def test_labels_for_a_few_give_probabilities(
    model: Path, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        f"{path.relative_to(elsewhere)},{path.parent.name}"
        for path in sorted(elsewhere.glob("s2[0-5]/*.wav"))
    ]
    (elsewhere / "labels.csv").write_text("\n".join(["path,speaker", *rows]))
    out = tmp_path / "labelled"
    run(
        "adapt",
        "--model",
        model,
        "--recordings",
        elsewhere,
        "--labels",
        elsewhere / "labels.csv",
        "--out",
        out,
    )
    assert "scores have probabilities" in capsys.readouterr().out
    run("verify", elsewhere / "s26/0.wav", elsewhere / "s27/1.wav", "--model", out)
    assert 0 < float(answers(capsys.readouterr().out)["probability"].split()[0]) < 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_recordings_adapt_and_say_their_limits(
    model: Path, elsewhere: Path, tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(count):
        shutil.copy(elsewhere / f"s2{number}" / "0.wav", few / f"{number}.wav")
    run("adapt", "--model", model, "--recordings", few, "--out", tmp_path / "m")
    assert "Too few recordings" in capsys.readouterr().out
    run("verify", elsewhere / "s20/0.wav", elsewhere / "s20/0.wav", "--model", tmp_path / "m")
    text = capsys.readouterr().out
    assert answers(text)["decision"] == "none"
    assert "too few recordings" in text


def test_recordings_that_cannot_be_used_are_counted_and_left_out(
    model: Path, elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(elsewhere / "s20", tmp_path / "data")
    soundfile.write(tmp_path / "data" / "silence.wav", np.zeros(RATE), RATE)
    run("adapt", "--model", model, "--recordings", tmp_path / "data", "--out", tmp_path / "m")
    assert "note: 1 of 5 recordings are left out, such as" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("path,name\n0.wav,ann\n", "line 2, should have a 'path' and a 'speaker'"),
        ("path,speaker\n9.wav,ann\n", "should name one of the 4 recordings. Found '9.wav'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    model: Path, elsewhere: Path, tmp_path: Path, labels: str, says: str
) -> None:
    shutil.copytree(elsewhere / "s20", tmp_path / "data")
    (tmp_path / "data" / "labels.csv").write_text(labels)
    given = ["--recordings", tmp_path / "data", "--labels", tmp_path / "data" / "labels.csv"]
    with pytest.raises(ValueError, match=says):
        run("adapt", "--model", model, *given, "--out", tmp_path / "m")


def test_an_adapted_model_is_replaced_only_when_asked(model: Path, elsewhere: Path, tmp_path: Path) -> None:
    given = ["adapt", "--model", model, "--recordings", elsewhere / "s20", "--out", tmp_path / "m"]
    run(*given)
    with pytest.raises(FileExistsError, match="--replace"):
        run(*given)
    run(*given, "--replace")


def test_measures_are_those_of_the_formulas() -> None:
    x = torch.from_numpy(TONE).float()
    measures: Mapping[str, float] = measures_of(x, RATE, 4 * RATE)
    assert measures["duration"] == pytest.approx(1)
    assert measures["energy"] == pytest.approx(10 * np.log10(0.3**2 / 2), abs=0.01)
    assert 2 ** measures["bandwidth"] == pytest.approx(440, abs=2 / 0.032)
    assert 2 ** measures["sample rate"] == RATE


def test_the_domain_of_a_training_is_that_of_the_development_recordings(model: Path, folder: Path) -> None:
    own = SpeakerModel.from_pretrained(model)
    assert own.backend.domain is not None
    assert isinstance(own.backend, Backend)
    speech = read_speech(folder / "s03" / "1.wav", RATE, min_seconds=0.1)
    assert not Place.of(own, own.embed([speech.waveform]), [speech.measures]).outside
