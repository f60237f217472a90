"""The recipe of molecules. Stand-ins take RDKit's place but where a test says that it needs it."""

from __future__ import annotations

import dataclasses
import gzip
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sennit.encoders.molecules
from sennit.data import Batch
from sennit.recipes.tox21 import scaffolds
from sennit.recipes.tox21.__main__ import main
from sennit.recipes.tox21.config import Config
from sennit.recipes.tox21.data import TASK, find, load, splits, standardised
from sennit.recipes.tox21.figures import figures, overall, predicted
from sennit.recipes.tox21.fitting import separated, train
from sennit.recipes.tox21.recipe import FOREST, RECIPE, SINGLE
from sennit.recipes.tox21.scaffolds import murcko_scaffold, scaffold_split
from tests.encoders.test_molecules import letters
from tests.recipes import golden
from tests.recipes.synthetic import first_letters, write_molecules

JOB = {"row": "concat", "protocol": "test", "seed": 0}


@pytest.fixture(autouse=True)
def _without_rdkit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if "rdkit" not in request.node.name:
        monkeypatch.setattr(sennit.encoders.molecules, "morgan_fingerprint", letters)
        monkeypatch.setattr(scaffolds, "murcko_scaffold", first_letters)
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        data=write_molecules(tmp_path / "data"), epochs=12, batch_size=32, width=16, lr=0.01,
        fingerprint_bits=128, max_length=8, dropout=0.0, trees=10, seeds=1, workers=0, single_task=False,
    )  # fmt: skip


def test_no_scaffold_is_on_two_sides_and_the_commonest_are_trained_on() -> None:
    rng = np.random.default_rng(0)
    own = [f"{k}" for k in rng.geometric(0.1, size=500)]
    train, validation, test = scaffold_split(own)
    sides = [{own[row] for row in rows} for rows in (train, validation, test)]
    assert sorted([*train, *validation, *test]) == list(range(500))
    assert len(sides[0]) + len(sides[1]) + len(sides[2]) == len(set(own))
    assert len(train) <= 400
    assert 30 <= len(test) <= 70
    assert 30 <= len(validation) <= 70
    counts = {name: own.count(name) for name in set(own)}
    assert max(counts, key=lambda name: counts[name]) in sides[0]


def test_too_few_scaffolds_are_refused() -> None:
    with pytest.raises(ValueError, match="Found 1 scaffolds of 9 molecules"):
        scaffold_split(["a"] * 9)


def test_a_table_is_read_blanks_are_unknown_and_what_cannot_be_read_is_counted(config: Config) -> None:
    data = load(find(config.data, config.file), "classes")
    assert (data.values.shape, data.names, data.left_out) == ((300, 3), ("first", "second", "third"), 1)
    assert 0.2 < np.isnan(data.values).mean() < 0.4
    for smiles, row in zip(data.smiles, data.values, strict=True):
        assert np.isnan(row[0]) or row[0] == ("N" in smiles)


@pytest.mark.parametrize(
    ("assays", "change", "says"),
    [
        ("classes", "2", "'first' in line 8 of .* should be 0, 1 or blank. Found '2'"),
        ("numbers", "much", "'first' in line 8 of .* should be a number or blank. Found 'much'"),
        ("numbers", "inf", "Found 'inf'"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path: Path, assays: str, change: str, says: str) -> None:
    folder = write_molecules(tmp_path, change=change)
    with pytest.raises(ValueError, match=says):
        load(find(folder, "tox21.csv.gz"), assays)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tox21.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(ValueError, match=r"should have a column 'smiles' .* Found \['a', 'b'\]"):
        load(path, "classes")
    path.write_bytes(gzip.compress(b"smiles,b\n" * 1000)[:20])
    with pytest.raises(ValueError, match="cannot be read"):
        load(path, "classes")


def test_without_data_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        main(["--data", str(tmp_path / "x"), "--output", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()


def test_numbers_are_standardised_by_the_training_molecules_of_their_assay() -> None:
    nan = np.nan
    values = np.array([[1.0, nan, 5.0], [3.0, 2.0, nan], [7.0, 9.0, 4.0]], dtype=np.float32)
    found = standardised(values, np.array([0, 1]))
    expected = np.array([[-1.0, nan, 0.0], [1.0, 0.0, nan], [5.0, 7.0, -1.0]])
    np.testing.assert_allclose(found, expected)


def test_splits_have_what_the_encoders_read_and_the_labels_that_are_known(config: Config) -> None:
    own = splits(config, RECIPE.encoders(config, ("fingerprint", "smiles")))
    data = load(find(config.data, config.file), "classes")
    for side in (own.train, own.validation, own.test):
        batch = side.batch
        assert len(batch.index) > 0
        for place, row in enumerate(batch.index.tolist()):
            assert torch.equal(batch.labelled[TASK][place], torch.from_numpy(~np.isnan(data.values[row])))
            expected = np.log1p(letters(data.smiles[row], size=128, counts=True).astype(np.float32))
            assert np.allclose(batch.inputs["fingerprint"][place].numpy(), expected)
    single = splits(config, RECIPE.encoders(config, ("fingerprint",)), only=[1])
    assert bool(single.train.batch.labelled[TASK].all())


@pytest.mark.parametrize("row", ["concat", "fingerprint", "smiles", FOREST])
def test_every_row_finds_what_the_letters_tell(config: Config, tmp_path: Path, row: str) -> None:
    found = RECIPE.run_job(config, tmp_path, {**JOB, "row": row})
    assert found["tasks"][TASK]["score"] > (0.6 if row == "smiles" else 0.75)


def test_a_network_for_each_assay_alone(config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(config, single_task=True, tasks="separate", sharing="mmoe", weighting="dwa")
    assert SINGLE in RECIPE.references(own)
    found = RECIPE.run_job(own, tmp_path, {**JOB, "row": SINGLE})
    assert list(found["by_assay"]) == ["first", "second", "third"]
    assert min(found["by_assay"][name] for name in ("first", "second")) > 0.9
    assert found["tasks"][TASK]["score"] == pytest.approx(np.mean([*found["by_assay"].values()]))
    batches = sum((~np.isnan(load(find(own.data, own.file), "classes").values)).sum(0) // 32)
    assert found["steps"] < 12 * batches  # the molecules of which an assay is known, less those held out


# Tasks


def test_separate_tasks_have_the_labels_of_the_joined_head(config: Config) -> None:
    encoders = RECIPE.encoders(config, ("fingerprint", "smiles"))
    joined = splits(config, encoders).train.batch
    names = RECIPE.assays(config)
    parted = separated(joined, names)
    assert torch.equal(torch.cat([parted.targets[n] for n in names], 1), joined.targets[TASK])
    assert torch.equal(torch.stack([parted.labelled[n] for n in names], 1), joined.labelled[TASK])
    assert torch.equal(parted.masks["smiles"], joined.masks["smiles"])
    assert torch.equal(parted.index, joined.index)


def test_with_hard_sharing_tasks_weigh_assays_alike_and_the_joined_head_labels(config: Config) -> None:
    """The mean of each assay's loss over its labels, summed; the mean over all labels."""
    names = RECIPE.assays(config)
    parted = dataclasses.replace(config, tasks="separate")
    torch.manual_seed(0)
    joined = RECIPE.build(config, ("fingerprint",), "concat").eval()
    separate = RECIPE.build(parted, ("fingerprint",), "concat").eval()
    separate.fused_encoder.load_state_dict(joined.fused_encoder.state_dict())
    (one,) = joined.heads.values()
    with torch.no_grad():
        for place, head in enumerate(separate.heads.values()):
            for own, whole in zip(head.parameters(), one.parameters(), strict=True):
                own.copy_(whole[[place]])
    batch = splits(config, joined.fused_encoder.leaves()).validation.batch
    scores = predicted(joined, batch)
    torch.testing.assert_close(predicted(separate, batch), scores)
    by_assay, everything = 0.0, []
    for place in range(len(names)):
        own = []
        for row in range(batch.batch_size):
            if batch.labelled[TASK][row, place]:
                p = float(scores[row, place].double())
                own.append(-math.log(p if batch.targets[TASK][row, place] else 1 - p))
        by_assay += sum(own) / len(own)
        everything += own
    assert joined.loss(batch)[1]["loss"].item() == pytest.approx(sum(everything) / len(everything), abs=1e-5)
    assert separate.loss(separated(batch, names))[1]["loss"].item() == pytest.approx(by_assay, abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sharing": "mmoe", "sharing_options": {"experts": 2}, "weighting": "uncertainty"},
        {"sharing": "cross_stitch"},
        {"balancing": "pcgrad"},
    ],
    ids=str,
)
def test_separate_tasks_learn_what_the_letters_tell(config: Config, changes: dict[str, Any]) -> None:
    own = dataclasses.replace(config, tasks="separate", **changes)
    own.check()
    found = train(own, ("fingerprint",), seed=0)
    assert list(found.validation) == list(found.test) == ["first", "second", "third"]
    assert min(found.test[name] for name in ("first", "second")) > 0.9
    assert found.steps == 12 * (len(splits(own, found.model.fused_encoder.leaves()).train) // 32)  # type: ignore[union-attr]
    assert found.watch.seconds > found.watch.waited_s > 0


def test_a_network_can_learn_by_heart(config: Config) -> None:
    own = dataclasses.replace(config, tasks="separate", epochs=40, width=64)
    found = train(own, ("fingerprint",), seed=0)
    assert found.model is not None
    batch = splits(own, found.model.fused_encoder.leaves()).train.batch
    learnt = figures(own, RECIPE.assays(own), predicted(found.model, batch), batch)
    assert min(learnt[name] for name in ("first", "second")) > 0.999


def test_a_figure_is_of_the_molecules_with_a_label_and_assays_without_one_are_left_out() -> None:
    target = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    known = torch.tensor([[True, True], [True, True], [True, False], [False, True]])
    batch = Batch.of({"x": torch.zeros(4, 1)}, targets={TASK: target}, labelled={TASK: known})
    scores = torch.tensor([[0.6, 0.1], [0.5, 0.2], [0.4, 0.3], [0.9, 0.4]])
    assert figures(Config(), ["a", "b"], scores, batch) == {"a": 0.5}  # one of two inactive ones is above


def test_one_assay_does_not_rule_the_figure_of_numbers() -> None:
    found = {"a": 0.2, "b": 0.3, "few molecules": -300.0}
    assert overall(Config(assays="numbers"), found) == 0.2
    assert overall(Config(), {"a": 0.5, "b": 0.6, "c": 1.0}) == pytest.approx(0.7)
    assert math.isnan(overall(Config(), {}))


@pytest.mark.parametrize("tasks", ["joined", "separate"])
def test_the_first_losses_are_those_kept(tasks: str) -> None:
    kept = golden.kept("tox21")[tasks]
    assert len(kept) == golden.STEPS
    assert golden.tox21_losses(tasks) == pytest.approx(kept, abs=1e-3), (
        "the model trains otherwise than before; if that is meant, `python -m tests.recipes.golden`"
    )


def test_numbers_go_through_the_same_code(tmp_path: Path) -> None:
    config = Config(
        data=write_molecules(tmp_path / "data", numbers=True), assays="numbers", epochs=12, batch_size=32,
        width=16, lr=0.01, fingerprint_bits=128, max_length=8, dropout=0.0, trees=10, fusions=["concat"],
    )  # fmt: skip
    for row in ("fingerprint", FOREST):
        found = RECIPE.run_job(config, tmp_path, {**JOB, "row": row})
        assert 0.3 < found["tasks"][TASK]["score"] <= 1.0


def test_the_command_writes_its_run(config: Config, tmp_path: Path) -> None:
    arguments = ["--data", str(config.data), "--output", str(tmp_path / "runs"), "--workers", "0"]
    arguments += ["--config", "recipes/tox21/quick.yaml", "--width", "8", "--fingerprint_bits", "128"]
    run = main(arguments)
    assert {p.name for p in run.iterdir()} >= {"metrics.json", "table.csv", "report.html", "checkpoints"}
    assert FOREST.partition(",")[0] in (run / "table.csv").read_text()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"assays": "clases"}, "classes"),
        ({"trees": 0}, "--trees should be 1 or more"),
        ({"radius": -1}, "--radius should be 0 or more"),
        ({"dropout": 1.0}, "--dropout from 0"),
        ({"tasks": "seperate"}, "separate"),
        ({"modalities": ["grahp"]}, "graph"),
        ({"modalities": []}, "at least one"),
        ({"modalities": ["smiles", "smiles"]}, "each once"),
        ({"sharing": "mmeo", "tasks": "separate"}, "mmoe"),
        ({"sharing_options": {"dept": 1}}, "depth"),
        ({"weighting": "equl", "tasks": "separate"}, "equal"),
        ({"balancing": "pcgrat", "tasks": "separate"}, "pcgrad"),
        ({"sharing": "mmoe"}, "Found mmoe, equal, None with --tasks joined.*Give --tasks separate"),
        ({"weighting": "dwa"}, "Give --tasks separate"),
        ({"balancing": "pcgrad"}, "Give --tasks separate"),
        ({"balancing": "pcgrad", "sharing": "mmoe", "tasks": "separate"}, "--sharing mmoe, which has none"),
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RECIPE.check(Config(**changes))  # type: ignore[arg-type]


def test_the_scaffold_of_rdkit_is_the_rings() -> None:
    pytest.importorskip("rdkit")
    assert murcko_scaffold("CC(=O)Oc1ccccc1C(=O)O") == "c1ccccc1"
    assert murcko_scaffold("CCO") == ""


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_real_data_by_rdkit(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    config = Config(data=Path(os.environ["SENNIT_DATA"]), epochs=2, trees=5)
    whole = find(config.data, config.file)
    data = load(whole, config.assays)
    assert (len(data.names), len(data.smiles) + data.left_out) == (12, 8014)
    assert data.left_out < 50
    header, *lines = gzip.decompress(whole.read_bytes()).splitlines(keepends=True)
    (tmp_path / "third.csv").write_bytes(header + b"".join(lines[::3]))
    config = dataclasses.replace(config, data=tmp_path, file="third.csv")
    for row in ("fingerprint", FOREST):
        found = RECIPE.run_job(config, tmp_path, {**JOB, "row": row})
        assert found["tasks"][TASK]["score"] > 0.6
    parted = dataclasses.replace(config, tasks="separate", sharing="mmoe", weighting="uncertainty")
    fitted = train(parted, ("fingerprint",), seed=0)
    assert len(fitted.test) == 12
    assert np.mean([*fitted.test.values()]) > 0.6
