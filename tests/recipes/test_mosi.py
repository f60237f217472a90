from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import BatchDataset
from sennit.recipes.harness import Splits
from sennit.recipes.harness import job as harness_job
from sennit.recipes.mosi.__main__ import main
from sennit.recipes.mosi.config import Config
from sennit.recipes.mosi.data import FILE, SIZES, load, splits, validation_rows
from sennit.recipes.mosi.recipe import RECIPE
from tests.recipes import golden
from tests.recipes.synthetic import mosi_arrays, write_mosi

JOB = {"row": "concat", "protocol": "test", "seed": 0}
NAMES = tuple(SIZES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mosi(tmp_path_factory.mktemp("mosi"))


@pytest.fixture
def config(folder: Path) -> Config:
    return Config(data=folder, epochs=3, width=16, workers=0, seeds=1)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    load.cache_clear()


# Data


def test_a_folder_and_the_file_itself_are_read_alike(folder: Path) -> None:
    one, other = load(folder)[0], load(folder / FILE)[0]
    assert all(torch.equal(one.batch.inputs[m], other.batch.inputs[m]) for m in NAMES)


@pytest.mark.parametrize("seed", range(5))
def test_no_video_is_both_trained_and_validated_on(folder: Path, seed: int) -> None:
    train, test = load(folder)
    fit, check = validation_rows(train, seed)
    assert sorted([*fit, *check]) == list(range(120))
    assert not set(train.video[fit]) & set(train.video[check])
    assert not set(train.video) & set(test.video)


def test_seeds_validate_on_other_videos_and_test_on_the_same(folder: Path) -> None:
    one, other = (splits(folder, NAMES, seed) for seed in (0, 1))
    assert not torch.equal(one.validation.batch.index, other.validation.batch.index)
    assert torch.equal(one.test.batch.index, other.test.batch.index)


def test_units_are_the_videos_of_the_test(folder: Path) -> None:
    own = splits(folder, ("text",), 0)
    assert own.units is not None
    assert sorted(np.unique(own.units, return_counts=True)[1]) == [10, 10, 10, 10]
    assert set(own.test.batch.inputs) == {"text"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"no file '.*{FILE}'|no file '{tmp_path}"):
        load(tmp_path / "nowhere")


def test_without_data_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        main(["--data", str(tmp_path / "x"), "--output", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\3\4 cut short"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{FILE}' cannot be read as npz"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.pop("audio_test"), r"should have the arrays \['audio_test'\] too"),
        (lambda a: a.update(text_train=a["text_train"][:, :9]), r"'text_train' .* 120 rows .*\(120, 9\)"),
        (lambda a: a["video_test"].fill(np.nan), "'video_test' in .* finite numbers"),
        (lambda a: a["label_train"].fill(0), r"'label_train' in .* 0 and 1, of both classes.*such as \[0\]"),
        (lambda a: a.update(label_test=a["label_test"] + 0.5), r"'label_test' in .* such as \[0\.5, 1\.5\]"),
        (lambda a: a.update(label_train=a["label_train"][:5]), r"should hold 120 labels.* shape \(5,\)"),
        (
            lambda a: a.update(utterance_id=np.array([f"v_{i}" for i in range(len(a["utterance_id"]))])),
            r"two training videos or more.* Found \['v'\]",
        ),
        (lambda a: a.update(index_test=a["index_test"] + 9999), "'index_test' in .* positions .* Found"),
    ],
)  # fmt: skip
def test_another_file_is_refused_and_what_is_wrong_named(
    tmp_path: Path, change: Callable[[Any], object], says: str
) -> None:
    arrays = mosi_arrays()
    change(arrays)
    np.savez(tmp_path / FILE, **arrays)
    with pytest.raises(ValueError, match=says):
        load(tmp_path)


# Training


def test_the_default_model_overfits(config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(
        config, epochs=30, dropouts=[0.0], weight_decay=0.0, modality_dropout=0.0, batch_size=16
    )
    some = splits(config.data, NAMES, 0).train.batch.select(torch.arange(64))
    fixed = BatchDataset(dataclasses.replace(some, targets={"sentiment": torch.randint(2, (64,))}))
    torch.manual_seed(0)
    model = RECIPE.build(own, NAMES, "concat")
    harness_job.train(RECIPE, own, model, Splits(fixed, fixed, fixed), tmp_path, seed=0)
    right = model.eval()(fixed.batch)["sentiment"].logits.argmax(1) == fixed.batch.targets["sentiment"]
    assert right.float().mean() > 0.98


@pytest.mark.parametrize("fusion", ["concat", "multiplicative"])
def test_the_first_losses_are_those_kept(fusion: str) -> None:
    kept = golden.kept("mosi")[fusion]
    assert len(kept) == golden.STEPS
    assert golden.mosi_losses(fusion) == pytest.approx(kept, abs=1e-3), (
        "the model trains otherwise than before; if that is meant, `python -m tests.recipes.golden`"
    )


@pytest.mark.parametrize("fusion", Config().fusions)
def test_every_fusion_of_the_defaults_learns(fusion: str, config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(config, epochs=8, batch_size=16, dropouts=[0.2])
    found = RECIPE.run_job(own, tmp_path, {**JOB, "row": fusion})
    assert found["tasks"]["sentiment"]["score"] > 0.75
    assert set(found["missing"]) == set(SIZES)


def test_references_train_on_all_videos_and_read_what_their_name_says(config: Config, tmp_path: Path) -> None:
    names = list(RECIPE.references(config))
    found = {name: RECIPE.run_job(config, tmp_path, {**JOB, "row": name}) for name in names}
    scores = {name: own["tasks"]["sentiment"]["score"] for name, own in found.items()}
    assert len(names) == 4
    assert min(scores["logistic regression"], scores["logistic regression, text"]) > 0.9
    assert scores["logistic regression, video"] < 0.75


def test_the_command_writes_its_run(folder: Path, tmp_path: Path) -> None:
    arguments = [
        "--data",
        str(folder),
        "--epochs",
        "1",
        "--width",
        "8",
        "--dropouts",
        "[0.0]",
        "--seeds",
        "1",
    ]
    arguments += ["--fusions", "[concat]", "--workers", "0", "--output", str(tmp_path / "runs")]
    run = main(arguments)
    assert {p.name for p in run.iterdir()} >= {"metrics.json", "table.csv", "report.html", "jobs.jsonl"}
    assert "trained on the labels of the training videos" in (run / "report.html").read_text()


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_real_data_have_the_official_split_and_the_known_references(tmp_path: Path) -> None:
    config = Config(data=Path(os.environ["SENNIT_DATA"]), epochs=4, dropouts=[0.5])
    train, test = load(config.data)
    assert (len(train.video), len(test.video)) == (1447, 752)
    assert (len(set(train.video)), len(set(test.video))) == (62, 31)
    assert not set(train.video) & set(test.video)
    known = {"text": 0.757, "audio": 0.557, "video": 0.515}
    for name, accuracy in known.items():
        found = RECIPE.run_job(config, tmp_path, {**JOB, "row": f"logistic regression, {name}"})
        assert found["tasks"]["sentiment"]["score"] == pytest.approx(accuracy, abs=0.005)
    fused = RECIPE.run_job(config, tmp_path, JOB)
    assert fused["tasks"]["sentiment"]["score"] > 0.7
