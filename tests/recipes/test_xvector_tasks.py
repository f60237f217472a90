"""The x-vector recipe with other tasks beside the speaker: their sharing, weighting and balancing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import soundfile
import torch

from sennit.recipes.xvector.__main__ import main
from sennit.recipes.xvector.checks import check_parts
from sennit.recipes.xvector.config import Config
from sennit.recipes.xvector.job import label_accuracies, run_job
from sennit.recipes.xvector.learner import SpeakerLearner
from sennit.recipes.xvector.network import build, encoder_of, make_sharing
from sennit.recipes.xvector.report import labels_of
from sennit.recipes.xvector.speakers import load
from sennit.recipes.xvector.train import train
from tests.recipes.synthetic_voices import RATE, voice

JOB = {"encoder": "xvector", "pooling": "statistics", "normalise": "utterance", "seed": 0}
SYSTEM = ("xvector", "statistics", "utterance")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the Free Spoken Digit Dataset names its files: six speakers, two digits, three times."""
    target = tmp_path_factory.mktemp("digits")
    for speaker in range(6):
        for digit in range(2):
            for number in range(3):
                x = voice(speaker, 10 * digit + number, seconds=0.6)
                soundfile.write(target / f"{digit}_s{speaker}_{number}.wav", x, RATE, subtype="PCM_16")
    return target


def tiny(folder: Path, **changes: Any) -> Config:
    options: dict[str, Any] = {
        "data": folder,
        "corpus": "fsdd",
        "tasks": ["digit"],
        "test_speakers": 2,
        "development_speakers": 2,
        "sample_rate": RATE,
        "widths": [16, 16, 16, 16, 24],
        "embed_dim": 16,
        "num_features": 20,
        "seconds": (0.3, 0.4),
        "crop_seconds": 0.3,
        "speakers": 2,
        "chunks": 4,
        "batches": 2,
        "epochs": 1,
        "speeds": [],
        "lda_dims": [0],
        "cohort_top": [0],
        "seeds": 1,
        "workers": 0,
        "accelerator": "cpu",
    }
    return Config(**options | changes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sharing": "mmo"}, r"unknown sharing 'mmo'\. Did you mean 'mmoe'"),
        (
            {"sharing": "mmoe", "sharing_options": {"expert": 2}},
            r"unknown option of sharing 'mmoe' 'expert'\. Did you mean 'experts'",
        ),
        ({"sharing_options": {"depth": 1}}, "--sharing_options needs --sharing"),
        ({"sharing": "cross_stitch"}, "--sharing should leave one encoder.* 'cross_stitch' .*trunk"),
        ({"sharing": "soft_l2"}, "--sharing should leave one encoder"),
        ({"balancing": "pcgad"}, r"unknown balancing 'pcgad'\. Did you mean 'pcgrad'"),
        ({"balancing": "pcgrad", "tasks": []}, "--balancing needs several tasks"),
        ({"balancing": "pcgrad", "sharing": "mmoe"}, "--sharing 'mmoe' has none"),
        ({"weighting": "uncertain"}, r"unknown weighting 'uncertain'\. Did you mean 'uncertainty'"),
    ],
)
def test_combinations_that_cannot_work_are_refused_in_one_line(
    folder: Path, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        check_parts(tiny(folder, **change))
    assert "\n" not in str(refused.value)


def test_a_refused_combination_leaves_no_run(folder: Path, tmp_path: Path) -> None:
    given = ["--corpus=fsdd", "--test_speakers=2", "--tasks=[digit]", f"--output={tmp_path / 'runs'}"]
    with pytest.raises(ValueError, match="--balancing needs a tensor at which the tasks diverge"):
        main([f"--data={folder}", *given, "--sharing=mmoe", "--balancing=mgda"])
    assert not (tmp_path / "runs").exists()


def test_without_a_choice_the_published_layers_stand(folder: Path) -> None:
    for loss, name in (("softmax", "segments"), ("aam_softmax", "hard")):
        assert make_sharing(tiny(folder, loss=loss), "xvector").registry_name == name
        own = tiny(folder, loss=loss, sharing="hard", sharing_options={"depth": 2})
        chosen = make_sharing(own, "xvector")
        assert (chosen.registry_name, chosen.depth) == ("hard", 2)


CHOICES: dict[str, dict[str, Any]] = {
    "mmoe, uncertainty": {"sharing": "mmoe", "weighting": "uncertainty"},
    "cross-stitch trunk": {
        "sharing": "cross_stitch",
        "sharing_options": {"trunk": {"name": "mlp", "depth": 2}},
        "loss": "softmax",
    },
    "hard, pcgrad, dwa": {"sharing": "hard", "balancing": "pcgrad", "weighting": "dwa"},
    "segments, mgda": {"balancing": "mgda", "loss": "softmax"},
}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_kind_of_choice_is_trained(folder: Path, tmp_path: Path, choice: str) -> None:
    config = tiny(folder, **CHOICES[choice])
    config.check()
    seen: dict[str, Any] = {}

    class Watching(SpeakerLearner):
        def on_train_end(self) -> None:
            seen["learner"] = self
            seen["logged"] = {name for name in self.trainer.callback_metrics if name.startswith("train/")}

    with patch("sennit.recipes.xvector.train.SpeakerLearner", Watching):
        train(config, SYSTEM, load(config, 0), tmp_path, seed=0, name="")
    learner = seen["learner"]
    assert learner.model.sharing.registry_name == config.sharing or config.loss == "softmax"
    assert learner.model.weighting.registry_name == config.weighting
    own = learner.balancing
    assert (None if own is None else own.registry_name) == config.balancing
    assert seen["logged"] >= {"train/weighting/speaker", "train/weighting/digit"}
    assert ("train/cosine/speaker/digit" in seen["logged"]) == (config.balancing is not None)


def test_a_cell_tells_the_labels_beside_the_speaker(folder: Path, tmp_path: Path) -> None:
    config = tiny(folder, sharing="hard", balancing="pcgrad", epochs=8, batches=4, lr=1e-2)
    result = run_job(config, tmp_path, {**JOB, "normalise": "global"})
    assert 0 <= result["labels"]["digit"] <= 1
    assert set(result["backends"]) == {"cosine", "plda"}


def test_accuracies_are_counted_over_recordings_with_a_label(folder: Path) -> None:
    config = tiny(folder)
    speakers = load(config, 0)
    torch.manual_seed(0)
    corpus = speakers.train.corpus
    model = build(config, *SYSTEM, corpus, margin=0.2, warmup=0).eval()
    test = speakers.test
    test.corpus.labels["digit"][:3] = -1
    right: list[bool] = []
    for row in range(len(test.corpus)):
        label = int(test.corpus.labels["digit"][row])
        if label >= 0:
            x = test.read(row, 0, int(test.frames[row])).unsqueeze(0)
            with torch.no_grad():
                logits = model.heads["digit"][0](encoder_of(model)(x).pooled)
            right.append(int(logits.argmax()) == label)
    assert len(right) == 9
    assert label_accuracies(config, model, test) == {"digit": pytest.approx(sum(right) / 9)}
    assert label_accuracies(tiny(folder, tasks=[]), model, test) == {}


def test_accuracies_of_labels_are_averaged_over_the_seeds_in_a_table() -> None:
    jobs = [{**JOB, "seed": seed} for seed in range(2)]
    (grid,) = labels_of(jobs, [{"labels": {"digit": 0.5}}, {"labels": {"digit": 0.7}}])
    assert grid.header == ["normalise", "system", "digit: accuracy %"]
    assert grid.rows == [["utterance", "xvector, statistics", "60.0 ± 14.1"]]
    assert labels_of(jobs, [{}, {"labels": {}}]) == []


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_the_free_spoken_digits_train_both_tasks(tmp_path: Path) -> None:
    data = Path(os.environ["SENNIT_DATA"]) / "fsdd.tar.gz"
    config = tiny(data, cache=tmp_path, sharing="hard", balancing="pcgrad", lda_dims=[0, 4])
    speakers = load(config, 0)
    model, _ = train(config, SYSTEM, speakers, tmp_path, seed=0, name="")
    assert 0 < label_accuracies(config, model, speakers.test)["digit"] < 1
