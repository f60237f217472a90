from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sennit.data import ResumableLoader, TaskSamplingLoader
from sennit.recipes.harness import Stopwatch
from sennit.recipes.school.__main__ import main
from sennit.recipes.school.config import JOINT, POOLED, Config
from sennit.recipes.school.data import EXAM, FILE, explained_variance, inner_split, joint, load, pooled, split
from sennit.recipes.school.fitting import Scale, build, choose, make_loader, train
from sennit.recipes.school.recipe import RECIPE
from sennit.recipes.school.references import REFERENCES
from sennit.recipes.school.single import train_once
from tests.recipes import golden
from tests.recipes.synthetic import school_arrays, write_school

JOB = {"row": "hard", "protocol": "test", "seed": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_school(tmp_path_factory.mktemp("school"))


@pytest.fixture
def config(folder: Path) -> Config:
    return Config(
        data=folder,
        epochs=10,
        width=16,
        batch_size=16,
        lr=0.02,
        workers=0,
        head_rates=[0.3],
        head_penalties=[1.0],
        own_settings={},
        dropout=0.0,
    )


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    load.cache_clear()


# Data


@pytest.mark.parametrize("seed", range(3))
def test_a_split_takes_the_same_share_of_every_school(folder: Path, seed: int) -> None:
    data = load(folder)
    train, test = split(data, seed)
    assert sorted([*train, *test]) == list(range(240))
    assert np.bincount(data.school[train]).tolist() == [12] * 6
    fitted, chosen = inner_split(data, train, seed)
    assert sorted([*fitted, *chosen]) == sorted(train)
    assert np.bincount(data.school[chosen]).tolist() == [3] * 6


def test_seeds_split_otherwise_and_a_seed_always_alike(folder: Path) -> None:
    data = load(folder)
    assert np.array_equal(split(data, 1)[0], split(data, 1)[0])
    assert not np.array_equal(split(data, 0)[0], split(data, 1)[0])


def test_a_folder_and_the_file_itself_are_read_alike(folder: Path) -> None:
    assert np.array_equal(load(folder).x, load(folder / FILE).x)


def test_without_data_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"no file '{tmp_path}"):
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
        (lambda a: a.pop("task"), r"should have the arrays \['task'\] too"),
        (lambda a: a.update(X=a["X"][:, :9]), r"of shape \[pupils, 28\].* Found \(240, 9\)"),
        (lambda a: a.update(task=a["task"] * 2), "Found 0 in school 1"),
        (
            lambda a: a.update(task=a["task"] - 1),
            "each pupil's school, from 0. Found int.* from -1",
        ),
        (lambda a: a.update(task=a["task"] + 0.5), "number of each pupil's school.* Found float64"),
        (lambda a: a.update(y=np.full(240, np.nan)), "'X' and 'y' in .* should be finite"),
        (lambda a: a.update(y=np.ones(240)), "'y' vary"),
    ],
)
def test_another_file_is_refused_and_what_is_wrong_named(
    tmp_path: Path, change: Callable[[Any], object], says: str
) -> None:
    arrays = school_arrays()
    change(arrays)
    np.savez(tmp_path / FILE, **arrays)
    with pytest.raises(ValueError, match=says):
        load(tmp_path)


# Figures


def test_the_explained_variance_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    predicted, score = rng.normal(size=20), rng.normal(3, 2, size=20)
    error = spread = 0.0
    for p, y in zip(predicted, score, strict=True):
        error += (y - p) ** 2
        spread += (y - sum(score) / 20) ** 2
    assert explained_variance(predicted, score) == pytest.approx(1 - error / spread, rel=1e-12)


def test_the_mean_of_a_score_is_told_from_mean_and_variance_of_its_root() -> None:
    rng = np.random.default_rng(0)
    scale = Scale(3.0, 2.0)
    roots = rng.normal(0.5, 0.3, size=400_000)
    scores = (3.0 + 2.0 * roots) ** 2
    found = scale.back(np.array([0.5]), 0.3**2)
    assert found[0] == pytest.approx(scores.mean(), rel=2e-3)
    some = np.array([4.0, 25.0])
    assert scale.back(scale.to(some), 0.0) == pytest.approx(some)


# Training


def test_every_pupil_is_labelled_for_its_school_alone(folder: Path) -> None:
    data = load(folder)
    rows = np.arange(0, 240, 7)
    batch = pooled(data, rows, data.score).batch
    labelled = torch.stack([batch.labelled[name] for name in data.names], 1)
    assert torch.equal(labelled.long().argmax(1), torch.from_numpy(data.school[rows]))
    assert bool((labelled.sum(1) == 1).all())


def test_heads_start_as_copies_of_one(config: Config) -> None:
    heads = build(config, load(config.data), "hard").heads.values()
    first = list(heads[0].parameters())
    assert len(heads) == 6
    for head in heads[1:]:
        assert all(torch.equal(x, y) for x, y in zip(first, head.parameters(), strict=True))


def test_of_the_numbers_of_a_joint_target_a_pupil_knows_that_of_its_school(folder: Path) -> None:
    data, rows = load(folder), np.arange(0, 240, 7)
    batch = joint(data, rows, data.score).batch
    assert torch.equal(batch.labelled[EXAM].long().argmax(1), torch.from_numpy(data.school[rows]))
    assert bool((batch.labelled[EXAM].sum(1) == 1).all())
    assert torch.equal(batch.targets[EXAM].sum(1), torch.from_numpy(data.score[rows]))


def test_joint_heads_start_alike_and_give_the_output_of_the_own_school(config: Config) -> None:
    data = load(config.data)
    (head,) = build(config, data, JOINT).heads[EXAM]
    assert torch.equal(head.weight, head.weight[:1].expand(6, -1))
    config.epochs = 1
    trained = train(config, data, np.arange(240), JOINT, 1.0, seed=0, watch=Stopwatch())
    assert trained.model.sharing.strength == pytest.approx(1 / 240)
    rows = np.array([3, 100, 239, 4])
    with torch.no_grad():
        logits = trained.model({"pupil": torch.from_numpy(data.x[rows])})[EXAM].logits
    expected = [float(logits[place, data.school[row]]) for place, row in enumerate(rows)]
    assert trained.outputs(data, rows) == pytest.approx(expected, abs=1e-5)


def test_a_sharing_has_settings_of_its_own() -> None:
    config = Config(epochs=3, own_settings={JOINT: {"epochs": 7, "residual": False}})
    assert (config.of(JOINT).epochs, config.of(JOINT).residual) == (7, False)
    assert (config.of("hard").epochs, config.of("hard").residual) == (3, True)


@pytest.mark.parametrize(
    ("sampling", "kind"),
    [(POOLED, ResumableLoader), ("uniform", TaskSamplingLoader), ("annealed", TaskSamplingLoader)],
)
def test_a_step_has_pupils_of_all_schools_or_of_one(config: Config, sampling: str, kind: type) -> None:
    config.sampling = sampling
    data = load(config.data)
    loader = make_loader(config, data, np.arange(240), data.score, 0)
    assert type(loader) is kind
    with_label = {len(set(batch.targets) - batch.unlabelled) for batch in loader}
    assert (with_label == {1}) == (sampling != POOLED)


@pytest.mark.parametrize(
    ("sampling", "sharing"), [(POOLED, "hard"), ("proportional", "hard"), ("proportional", JOINT)]
)
def test_it_learns_what_the_features_and_the_school_tell(config: Config, sampling: str, sharing: str) -> None:
    config.sampling = sampling
    data = load(config.data)
    rows, watch = np.arange(240), Stopwatch()
    trained = train(config, data, rows, sharing, 1.0, seed=0, watch=watch)
    found = trained.scale.back(trained.outputs(data, rows), 0.0)
    assert explained_variance(found, data.score) > 0.9
    assert watch.seconds > watch.waited_s > 0


def test_an_output_is_that_of_the_head_of_the_own_school(config: Config) -> None:
    data = load(config.data)
    config.epochs = 1
    trained = train(config, data, np.arange(240), "hard", 1.0, seed=0, watch=Stopwatch())
    rows = np.array([3, 100, 239, 4])
    with torch.no_grad():
        outputs = trained.model({"pupil": torch.from_numpy(data.x[rows])})
    for place, row in enumerate(rows):
        expected = outputs[data.names[data.school[row]]].logits[place, 0]
        assert trained.outputs(data, rows)[place] == pytest.approx(float(expected), abs=1e-5)


def test_the_rate_of_the_heads_is_chosen_without_the_test_pupils(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.head_rates = [1e-6, 1.0]
    data = load(config.data)
    train, test = split(data, 0)
    hidden = dataclasses.replace(data, score=np.where(np.isin(np.arange(240), test), np.nan, data.score))
    rate, variance = choose(config, hidden, train, "hard", seed=0, watch=Stopwatch())
    assert rate in config.head_rates
    assert 0 < variance < 1


def test_the_figure_is_that_of_the_mean_of_the_members(config: Config, tmp_path: Path) -> None:
    config.members, config.epochs = 2, 2
    found = RECIPE.run_job(config, tmp_path, JOB)["tasks"]["exam"]["score"]
    data, watch = load(config.data), Stopwatch()
    rows, test = split(data, 0)
    rate, variance = choose(config, data, rows, "hard", seed=0, watch=watch)
    members = [train(config, data, rows, "hard", rate, seed=seed, watch=watch) for seed in (0, 1000)]
    first, second = (member.outputs(data, test) for member in members)
    assert not np.allclose(first, second, atol=1e-3)
    mean = members[0].scale.back((first + second) / 2, variance)
    assert found == pytest.approx(explained_variance(mean, data.score[test]), abs=1e-5)


def test_what_is_trained_once_never_sees_the_test_pupils(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.epochs = 2
    data = load(config.data)
    seen = train_once(config, "hard", split_seed=1, seed=5)
    _, test = split(data, 1)
    shuffled = data.score.copy()
    shuffled[test] = shuffled[test][::-1]
    monkeypatch.setattr(
        "sennit.recipes.school.single.load", lambda _: dataclasses.replace(data, score=shuffled)
    )
    again = train_once(config, "hard", split_seed=1, seed=5)
    assert again.validation == pytest.approx(seen.validation, abs=1e-5)
    assert again.validation_by_task == pytest.approx(seen.validation_by_task, rel=1e-4)
    assert again.test != pytest.approx(seen.test, abs=1e-3)


def test_errors_of_the_schools_make_up_the_explained_variance(config: Config) -> None:
    config.epochs = 1
    found = train_once(config, "hard", split_seed=0, seed=0)
    data = load(config.data)
    _, test = split(data, 0)
    error = sum(
        found.test_by_task[name] * (data.school[test] == i).sum() for i, name in enumerate(data.names)
    )
    spread = np.square(data.score[test] - data.score[test].mean()).sum()
    assert found.test == pytest.approx(1 - error / spread, abs=1e-5)
    fitted, _ = inner_split(data, split(data, 0)[0], 0)
    loader = make_loader(config, data, fitted, data.score, 0)
    assert (found.steps, found.setting) == (len(loader), 0.3)
    assert found.seconds > 0


def test_the_first_losses_are_those_kept() -> None:
    kept = golden.kept("school")
    for sampling in ("pooled", "proportional", JOINT):
        assert golden.school_losses(sampling) == pytest.approx(kept[sampling], abs=1e-3), (
            "the model trains otherwise than before; if that is meant, `python -m tests.recipes.golden`"
        )


@pytest.mark.parametrize("name", REFERENCES)
def test_references_choose_within_the_training_pupils_and_are_tested_once(
    config: Config, tmp_path: Path, name: str
) -> None:
    found = RECIPE.run_job(config, tmp_path, {**JOB, "row": name})
    score = found["tasks"]["exam"]["score"]
    assert found["chosen"]["setting"] in REFERENCES[name].settings
    alone = 0.2 if name == "a ridge per school" else 0.5  # 12 pupils for 28 features
    known = {"the same, with years and bands of schools": 0.8}.get(name, 0.9)  # more effects than pupils
    assert score > (known if "intercepts" in name or "same" in name else alone)


def test_effects_of_years_and_bands_are_those_of_plain_normal_equations(config: Config) -> None:
    data, penalty, share = load(config.data), 10.0, 0.4
    train, test = split(data, 0)
    roots, x = np.sqrt(data.score.astype(np.float64)), data.x.astype(np.float64)
    mean, deviation = x[train].mean(0), x[train].std(0)
    deviation[deviation == 0] = 1
    schools = len(data.names)

    def row(pupil: int) -> list[float]:
        z, effects = (x[pupil] - mean) / deviation, np.zeros((schools, 7))
        effects[data.school[pupil]] = [1, *(share * x[pupil, :3]), *(share * z[7:10])]
        return [*(z / 2), *effects.ravel()]

    def design(rows: np.ndarray) -> np.ndarray:
        return np.array([row(pupil) for pupil in rows])

    own, center = design(train), roots[train].mean()
    middle = own.mean(0)
    gram = (own - middle).T @ (own - middle) + penalty * np.eye(own.shape[1])
    weights = np.linalg.solve(gram, (own - middle).T @ (roots[train] - center))
    variance = np.square(roots[train] - center - (own - middle) @ weights).mean()
    expected = ((design(test) - middle) @ weights + center) ** 2 + variance
    reference = REFERENCES["the same, with years and bands of schools"]
    assert reference.predict(data, train, test, (penalty, share)) == pytest.approx(expected, rel=1e-3)


def test_the_command_writes_its_run(folder: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(folder), "--epochs", "2", "--width", "8", "--seeds", "1", "--workers", "0"]
    arguments += ["--sharing_options", '{"hard": {"depth": 1}}', "--head_rates", "[0.5]"]
    arguments += ["--own_settings", "{}", "--head_penalties", "[1.0]"]
    run = main([*arguments, "--output", str(tmp_path / "runs")])
    assert {p.name for p in run.iterdir()} >= {"metrics.json", "table.csv", "report.html", "checkpoints"}
    assert "pooled ridge" in (run / "table.csv").read_text()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sharings": []}, "--sharings should hold at least one"),
        ({"sharings": ["hrad"]}, "hard"),
        ({"sharing_options": {"cross_stitch": {}}}, "--sharing_options"),
        ({"weighting": "equl"}, "equal"),
        ({"sampling": "unifrom"}, "uniform"),
        ({"balancing": "pcgrad"}, "Give --sampling pooled"),
        ({"head_rates": [0.0]}, "--head_rates"),
        ({"head_penalties": [-1.0]}, "--head_penalties"),
        ({"own_settings": {"hrad": {}}}, "hard"),
        ({"own_settings": {"hard": {"epoch": 1}}}, "epochs"),
        ({"own_settings": {"hard": {"dropout": 1.0}}}, "--dropout"),
        ({"members": 0}, "--members should be 1 or more"),
        ({"dropout": 1.0}, "--dropout"),
        ({"sampling": "annealed", "epochs": 1}, "--epochs should be 2 or more"),
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RECIPE.check(Config(**changes))


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_real_data_have_the_known_references(tmp_path: Path) -> None:
    config = Config(data=Path(os.environ["SENNIT_DATA"]))
    data = load(config.data)
    assert (len(data.score), len(data.names)) == (15362, 139)
    known = {"a ridge per school": 0.272, "pooled ridge": 0.337, "pooled ridge, school intercepts": 0.364}
    for name, variance in known.items():
        found = RECIPE.run_job(config, tmp_path, {**JOB, "row": name})
        assert found["tasks"]["exam"]["score"] == pytest.approx(variance, abs=0.02)
