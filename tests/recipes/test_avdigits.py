from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import BatchDataset
from sennit.recipes.avdigits import data as avdata
from sennit.recipes.avdigits import files as avfiles
from sennit.recipes.avdigits.__main__ import main
from sennit.recipes.avdigits.config import Config
from sennit.recipes.avdigits.data import MODALITIES, load, pair, splits
from sennit.recipes.avdigits.files import FSDD, MNIST, find_files, read_idx, recordings, recordings_digest
from sennit.recipes.avdigits.noise import Render, leading_components, remove_energy
from sennit.recipes.avdigits.recipe import RECIPE, SINGLE, single_task
from sennit.recipes.harness import Splits
from sennit.recipes.harness import job as harness_job
from tests.recipes import golden
from tests.recipes.synthetic import NUMBERS, idx, utterances, wav, write_archive, write_avdigits

JOB = {"row": "concat", "protocol": "test", "seed": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_avdigits(tmp_path_factory.mktemp("av") / "data")


@pytest.fixture(scope="module")
def config(folder: Path) -> Config:
    return Config(data=folder, pairs=200, test_pairs=40, epochs=1, width=16, workers=0, seeds=1)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    load.cache_clear()
    avdata._fixed.cache_clear()


# Files


@pytest.mark.parametrize("images", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("speech", [FSDD, "fsdd/fsdd.tar.gz", "recordings", "fsdd/recordings"])
def test_public_layouts_are_found(folder: Path, tmp_path: Path, images: str, speech: str) -> None:
    shutil.copytree(folder / "mnist", tmp_path / images, dirs_exist_ok=True)
    target = tmp_path / speech
    target.parent.mkdir(exist_ok=True)
    if speech.endswith("gz"):
        shutil.copy(folder / FSDD, target)
    else:
        target.mkdir(parents=True)
        for name, content in utterances().items():
            (target / name).write_bytes(content)
    found = find_files(tmp_path)
    assert (found.images, found.speech) == (tmp_path / images, target)
    assert recordings_digest(found.speech) == recordings_digest(folder / FSDD)


def test_a_github_archive_has_the_same_digest_as_the_bare_recordings(folder: Path, tmp_path: Path) -> None:
    files = {**utterances(), "README.txt": b"not a recording"}
    write_archive(tmp_path / "a.tar.gz", files, inside="free-spoken-digit-dataset-1.0.10/recordings")
    assert recordings_digest(tmp_path / "a.tar.gz") == recordings_digest(folder / FSDD)


def test_idx_files_hold_what_was_written(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 4, 5))
    (tmp_path / "x.gz").write_bytes(idx(values))
    assert np.array_equal(read_idx(tmp_path / "x.gz"), values)


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", idx(np.zeros((2, 3)))[:-9], idx(np.zeros(4))[:20]],
    ids=["empty", "no gzip", "cut", "cut in its head"],
)
def test_a_damaged_idx_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.gz' should be .*Remove it to download it again"):
        read_idx(tmp_path / "x.gz")


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_damaged_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FSDD).write_bytes(content)
    with pytest.raises(ValueError, match=r"fsdd.tar.gz' cannot be read .*Remove it"):
        list(recordings(tmp_path / FSDD))


def test_an_archive_without_recordings_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / FSDD, {"readme.wav": b""})
    with pytest.raises(ValueError, match=r"should hold recordings called <digit>_<speaker>_<number>\.wav"):
        list(recordings(tmp_path / FSDD))


# Download


@pytest.fixture
def published(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the web; the digests are those of the small files."""
    web = tmp_path / "web"
    shutil.copytree(folder / "mnist", web)
    shutil.copy(folder / FSDD, web / FSDD)
    digests = {name: hashlib.md5((web / name).read_bytes()).hexdigest() for name in MNIST}
    monkeypatch.setattr(avfiles, "MNIST", digests)
    monkeypatch.setattr(avfiles, "MNIST_URL", f"{web.as_uri()}/")
    monkeypatch.setattr(avfiles, "FSDD_URL", f"{web.as_uri()}/{FSDD}")
    monkeypatch.setattr(avfiles, "FSDD_DIGEST", recordings_digest(web / FSDD))
    return web


def test_missing_files_are_downloaded_once(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "data"
    assert find_files(target) == avfiles.Files(target / "mnist", target / FSDD)
    shutil.rmtree(published)
    assert find_files(target) == avfiles.Files(target / "mnist", target / FSDD)


def test_only_what_is_missing_is_downloaded(published: Path, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "data"
    shutil.copytree(folder / "mnist", target / "mnist")
    name = next(iter(MNIST))
    (target / "mnist" / name).unlink()
    for other in MNIST:
        if other != name:
            (published / other).unlink()
    find_files(target)
    assert (target / "mnist" / name).read_bytes() == (published / name).read_bytes()


@pytest.mark.parametrize("name", [*MNIST, FSDD])
def test_another_file_than_the_published_one_is_refused_and_not_kept(
    published: Path, tmp_path: Path, name: str
) -> None:
    if name == FSDD:
        changed = {k: v for k, v in utterances().items() if k != "0_theo_0.wav"}
        write_archive(published / FSDD, changed)
    else:
        (published / name).write_bytes(b"something else")
    with pytest.raises(ValueError, match=rf"{name}' should have the digest .* It was not kept"):
        find_files(tmp_path / "data")
    assert not list((tmp_path / "data").rglob(f"*{name}*"))


def test_without_a_network_the_file_and_its_place_are_named(published: Path, tmp_path: Path) -> None:
    shutil.rmtree(published)
    name = next(iter(MNIST))
    with pytest.raises(OSError, match=rf"data/mnist/{name}' is missing, and '.*' cannot be downloaded"):
        find_files(tmp_path / "data")
    assert not [p for p in (tmp_path / "data").rglob("*") if p.is_file()]


# Noise


def test_three_quarters_of_the_energy_are_gone_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((500, 20)) * np.linspace(3, 0.1, 20)).astype(np.float32)
    rest = remove_energy(x, *leading_components(x))
    kept = rest.var(0).sum() / x.var(0).sum()
    assert 0.15 < kept <= 0.25 + 0.1
    values, vectors = np.linalg.eigh(np.cov(x.T))
    count = int(np.searchsorted(np.cumsum(values[::-1]) / values.sum(), 0.75))
    expected = (x - x.mean(0)) @ vectors[:, : 20 - count] @ vectors[:, : 20 - count].T
    assert rest == pytest.approx(expected, abs=1e-4)


def test_the_components_are_those_of_the_training_images() -> None:
    rng = np.random.default_rng(0)
    train, test = (rng.standard_normal((200, 10)).astype(np.float32) for _ in range(2))
    fitted = leading_components(train)
    alone = remove_energy(test[:1], *fitted)
    assert remove_energy(test, *fitted)[:1] == pytest.approx(alone, abs=1e-5)


@pytest.fixture
def render() -> Render:
    speech = torch.randn(12, 400) * torch.linspace(0.1, 5, 12)[:, None]
    return Render(torch.rand(9, 1, 28, 28), speech, noise=0.25, voices=3)


def numbers(render: Render, count: int = 64) -> Any:
    from sennit.data import Batch

    rows = {"image": torch.randint(9, (count,)), "speech": torch.randint(12, (count,))}
    return Batch.of(rows, targets={"digit": torch.zeros(count, dtype=torch.long)})


def test_the_other_voices_are_together_as_loud_as_the_one(render: Render) -> None:
    batch = numbers(render)
    voice = render.speech[batch.inputs["speech"]]
    babble = render(batch).inputs["speech"] - voice
    ratio = 10 * torch.log10(voice.square().sum(1) / babble.square().sum(1))
    torch.testing.assert_close(ratio, torch.zeros(64), atol=1e-3, rtol=0)


def test_a_voice_is_never_mixed_with_itself() -> None:
    """Of two utterances of one sample each, what is added is always the other."""
    render = Render(torch.rand(1, 1, 2, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), noise=0, voices=3)
    batch = numbers(render)
    batch = dataclasses.replace(
        batch, inputs={"image": torch.zeros(64, dtype=torch.long), "speech": torch.arange(64) % 2}
    )
    torch.testing.assert_close(render(batch).inputs["speech"], torch.ones(64, 2))


def test_image_noise_has_the_given_deviation(render: Render) -> None:
    batch = numbers(render)
    noise = render(batch).inputs["image"] - render.images[batch.inputs["image"]]
    assert noise.std() == pytest.approx(0.25, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.01)


def test_without_noise_and_voices_nothing_is_added(render: Render) -> None:
    batch = numbers(render)
    clean = Render(render.images, render.speech, noise=0, voices=0)(batch)
    assert torch.equal(clean.inputs["speech"], render.speech[batch.inputs["speech"]])
    assert torch.equal(clean.inputs["image"], render.images[batch.inputs["image"]])


def test_a_silent_utterance_stays_finite(render: Render) -> None:
    render.speech[0] = 0
    assert all(bool(torch.isfinite(x).all()) for x in render(numbers(render)).inputs.values())


# Splits


def test_no_utterance_is_in_two_splits_and_the_test_is_the_official_one(folder: Path) -> None:
    parts = load(folder)
    sizes = {split: len(part.said) for split, part in parts.items()}
    assert sizes == {"test": 60 * 2, "validation": 60 * 2, "train": 60 * 2}
    assert {n for n in NUMBERS if n in avdata._NUMBERS["test"]} == {0, 1}
    waves = [{x.tobytes() for x in part.speech.numpy()} for part in parts.values()]
    assert not waves[0] & waves[1]
    assert not waves[0] & waves[2]
    assert not waves[1] & waves[2]


def test_validation_images_are_the_last_of_the_training_ones(folder: Path) -> None:
    parts = load(folder)
    assert {split: len(part.digits) for split, part in parts.items()} == {
        "train": 300,
        "validation": 60,
        "test": 60,
    }


def test_pairs_agree_on_the_digit_and_use_each_image_once(folder: Path) -> None:
    part = load(folder)["train"]
    batch = pair(part, 200, 0)
    images, speech = batch.inputs["image"].numpy(), batch.inputs["speech"].numpy()
    assert len(set(images.tolist())) == 200
    assert np.array_equal(part.digits[images], part.said[speech])
    assert np.array_equal(part.digits[images], batch.targets["digit"].numpy())
    assert np.array_equal(part.speakers[speech], batch.targets["speaker"].numpy())
    for digit in range(10):
        assert np.ptp(np.bincount(speech, minlength=120)[part.said == digit]) <= 1


def test_more_pairs_than_images_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"should be at most 60\. Found 61"):
        pair(load(folder)["test"], 61, 0)


def rendered(own: BatchDataset) -> dict[str, torch.Tensor]:
    return dict(own[0].inputs) if own.transform is None else dict(own.__getitems__([0]).inputs)


def test_training_noise_is_drawn_anew_and_that_of_the_test_stays(config: Config) -> None:
    own = splits(config, MODALITIES, 0)
    for name in MODALITIES:
        assert not torch.equal(rendered(own.train)[name], rendered(own.train)[name])
        for part in (own.validation, own.test):
            assert torch.equal(rendered(part)[name], rendered(part)[name])


def test_validation_and_test_are_the_same_for_every_seed_and_modality(config: Config) -> None:
    whole, alone = splits(config, MODALITIES, 0), splits(config, ("speech",), 1)
    for part in ("validation", "test"):
        one, other = getattr(whole, part).batch, getattr(alone, part).batch
        assert torch.equal(one.inputs["speech"], other.inputs["speech"])
    assert not torch.equal(whole.train.batch.inputs["speech"], alone.train.batch.inputs["speech"])


def test_test_mixtures_are_of_test_utterances_only(folder: Path, config: Config) -> None:
    """When all but the test's utterances change, the test data stay."""
    before = splits(config, MODALITIES, 0).test.batch.inputs["speech"]
    part = load(folder)["train"]
    part.speech.mul_(100)
    avdata._fixed.cache_clear()
    assert torch.equal(splits(config, MODALITIES, 0).test.batch.inputs["speech"], before)


def test_units_are_the_utterances_of_the_test(config: Config) -> None:
    own = splits(config, ("image",), 0)
    assert own.units is not None
    assert len(own.units) == len(own.test)
    assert set(own.units) <= set(range(120))


def test_the_image_alone_has_no_speaker_to_tell(config: Config) -> None:
    assert set(splits(config, ("image",), 0).train.batch.targets) == {"digit"}
    assert set(RECIPE.tasks(config, ("image",))) == {"digit"}


def test_recordings_of_another_rate_or_speaker_are_named(tmp_path: Path, folder: Path) -> None:
    for name, content, says in (
        ("0_theo_0.wav", wav(np.zeros(100), 16000), "one channel at 8000 Hz"),
        ("0_ann_0.wav", wav(np.zeros(100)), "Found 'ann'"),
    ):
        shutil.copytree(folder / "mnist", tmp_path / name / "mnist")
        write_archive(tmp_path / name / FSDD, {name: content})
        with pytest.raises(ValueError, match=f"'{name}' in .*{says}"):
            load(tmp_path / name)


# Training


def test_the_default_model_overfits(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = dataclasses.replace(
        config, pairs=64, epochs=20, batch_size=16, width=32, noise=0.0, voices=0, modality_dropout=0.0
    )
    whole = RECIPE.data(own, MODALITIES, 0)
    fixed = BatchDataset(whole.train.transform(whole.train.batch))
    data = Splits(fixed, fixed, fixed)
    torch.manual_seed(0)
    model = RECIPE.build(own, MODALITIES, "concat")
    monkeypatch.setattr(type(RECIPE), "monitor", "val/speaker/accuracy")  # the slower task
    harness_job.train(RECIPE, own, model, data, tmp_path, seed=0)
    outputs = model.eval()(fixed.batch)
    for task in ("digit", "speaker"):
        right = outputs[task].logits.argmax(1) == fixed.batch.targets[task]
        assert right.float().mean() > 0.95, task


@pytest.mark.parametrize("fusion", ["concat", "multiplicative"])
def test_the_first_losses_are_those_kept(fusion: str) -> None:
    kept = golden.kept("avdigits")[fusion]
    assert len(kept) == golden.STEPS
    assert golden.avdigits_losses(fusion) == pytest.approx(kept, abs=1e-3), (
        "the model trains otherwise than before; if that is meant, `python -m tests.recipes.golden`"
    )


@pytest.mark.parametrize("fusion", Config().fusions)
def test_every_fusion_of_the_defaults_builds_and_learns(fusion: str, config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(config, pairs=64)
    found = RECIPE.run_job(own, tmp_path, {**JOB, "row": fusion})
    assert set(found["tasks"]) == {"digit", "speaker"}
    assert set(found["missing"]["image"]) == {"digit", "speaker"}


def test_the_command_writes_its_run(folder: Path, tmp_path: Path) -> None:
    arguments = [
        "--data",
        str(folder),
        "--pairs",
        "100",
        "--test_pairs",
        "40",
        "--epochs",
        "1",
        "--width",
        "8",
    ]
    arguments += [
        "--seeds",
        "1",
        "--fusions",
        "[concat]",
        "--workers",
        "0",
        "--output",
        str(tmp_path / "runs"),
    ]
    run = main(arguments)
    assert {p.name for p in run.iterdir()} >= {"metrics.json", "table.csv", "report.html", "jobs.jsonl"}


# What the tasks have in common


@pytest.mark.parametrize(
    "options",
    [
        {"sharing": "cross_stitch", "sharing_options": {"self_weight": 0.8}, "weighting": "uncertainty"},
        {"sharing": "mmoe", "weighting": "running_deviation"},
        {"weighting": "gradnorm"},
        {"balancing": "pcgrad"},
    ],
    ids=lambda own: "-".join(str(value) for value in own.values() if isinstance(value, str)),
)
def test_sharing_weighting_and_balancing_are_chosen(
    config: Config, tmp_path: Path, options: dict[str, Any]
) -> None:
    own = dataclasses.replace(config, pairs=64, **options)
    own.check()
    model = RECIPE.build(own, MODALITIES, "concat")
    learner = RECIPE.learner(own, model)
    assert model.sharing.registry_name == own.sharing
    assert model.weighting.registry_name == own.weighting
    assert (learner.balancing is None) == (own.balancing is None)
    assert own.sharing != "cross_stitch" or model.sharing.config["self_weight"] == 0.8
    found = RECIPE.run_job(own, tmp_path, JOB)
    assert set(found["tasks"]) == {"digit", "speaker"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sharing": "cross_stich"}, "unknown sharing 'cross_stich'. Did you mean 'cross_stitch'"),
        ({"weighting": "uncertain"}, "unknown weighting 'uncertain'"),
        ({"balancing": "pcgrat"}, "unknown balancing 'pcgrat'"),
        ({"tasks": ["digits"]}, "unknown task in --tasks 'digits'"),
        ({"tasks": ["digit", "digit"]}, "--tasks should hold at least one, each once"),
        ({"sharing": "mmoe", "balancing": "pcgrad"}, "sharing 'mmoe' has none"),
        ({"sharing": "cross_stitch", "fusions": ["early_concat"]}, "'cross_stitch' acts between the stages"),
        ({"sharing_options": {"experts": 2}}, "experts"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_a_line_before_there_is_a_run(
    config: Config, options: dict[str, Any], says: str
) -> None:
    own = dataclasses.replace(config, **{"fusions": ["concat"], **options})

    def start() -> None:
        RECIPE.check(own)
        RECIPE.jobs(own)

    with pytest.raises((ValueError, TypeError)) as caught:
        start()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_single_task_network_learns_its_task_alone(config: Config) -> None:
    own = single_task(dataclasses.replace(config, weighting="uncertainty", sharing="cross_stitch"), "speaker")
    model = RECIPE.build(own, MODALITIES, "concat")
    assert set(model.tasks) == {"speaker"}
    assert (model.sharing.registry_name, model.weighting.registry_name) == ("hard", "equal")
    assert set(RECIPE.data(own, MODALITIES, 0).train.batch.targets) == {"speaker"}
    assert "image" not in {job["row"] for job in RECIPE.jobs(own)}  # it says nothing of the speaker


def test_single_task_networks_are_a_row(config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(config, pairs=64, fusions=["concat"], single_task=True)
    job = {**JOB, "row": SINGLE}
    assert job in RECIPE.jobs(own)
    assert RECIPE.stage(own, SINGLE) == "reference"
    found = RECIPE.run_job(own, tmp_path, job)
    assert set(found["tasks"]) == {"digit", "speaker"}
    assert all(len(task["correct"]) == len(found["units"]) for task in found["tasks"].values())
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_real_data_are_the_published_ones_and_a_small_model_learns_from_them(tmp_path: Path) -> None:
    folder = Path(os.environ["SENNIT_DATA"])
    assert recordings_digest(find_files(folder).speech) == avfiles.FSDD_DIGEST
    parts = load(folder)
    assert {s: (len(p.digits), len(p.said)) for s, p in parts.items()} == {
        "train": (50000, 2400),
        "validation": (10000, 300),
        "test": (10000, 300),
    }
    config = Config(data=folder, pairs=1000, test_pairs=200, epochs=2, noise=0.0, voices=0)
    found = RECIPE.run_job(config, tmp_path, JOB)
    assert found["tasks"]["digit"]["score"] > 0.6
    assert found["tasks"]["speaker"]["score"] > 0.6
    assert found["waiting"] < 0.25


def test_without_data_there_is_no_run(published: Path, tmp_path: Path) -> None:
    shutil.rmtree(published)
    with pytest.raises(OSError, match="cannot be downloaded"):
        main(["--data", str(tmp_path / "x"), "--output", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()
