"""The recipe of molecules. Stand-ins take RDKit's place but where a test says that it needs it."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import encoders.molecules
from recipes import harness
from recipes.tox21 import scaffolds
from recipes.tox21.config import Config
from recipes.tox21.data import TASK, find, load, splits, standardised
from recipes.tox21.scaffolds import murcko_scaffold, scaffold_split
from recipes.tox21.train import FOREST, RECIPE, SINGLE
from tests.encoders.test_molecules import letters

CELL = {"row": "concat", "protocol": "test", "seed": 0}


def scaffold(smiles: str) -> str:
    if smiles == "unreadable":
        raise ValueError("unreadable")
    return smiles[:2]


@pytest.fixture(autouse=True)
def _without_rdkit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if "rdkit" not in request.node.name:
        monkeypatch.setattr(encoders.molecules, "morgan_fingerprint", letters)
        monkeypatch.setattr(scaffolds, "murcko_scaffold", scaffold)
    load.cache_clear()
    yield
    load.cache_clear()


def write(folder: Path, *, numbers: bool = False, change: str | None = None) -> Path:
    """300 molecules of 40 scaffolds; the letters N, O and the first one tell the three assays."""
    rng = np.random.default_rng(0)
    lines = [["first", "second", "third", "mol_id", "smiles"]]
    for i in range(300):
        name = f"{'ABCDEFGH'[i % 8]}{'12345'[i % 5]}" + "".join(rng.choice(list("NOPQ"), 2))
        values = [float("N" in name), float("O" in name), float(i % 2)]
        values = [v * 2.5 + 4 for v in values] if numbers else values
        lines.append(["" if rng.random() < 0.3 else f"{v:g}" for v in values] + [f"m{i}", name])
    lines.append(["1", "0", "", "m", "unreadable"])
    if change is not None:
        lines[7][0] = change
    (folder / "molecules").mkdir(parents=True)
    with gzip.open(folder / "molecules" / "tox21.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        data=write(tmp_path / "data"), epochs=12, batch_size=32, width=16, lr=0.01, fingerprint_bits=128,
        max_length=8, dropout=0.0, trees=10, seeds=1, workers=0, single_task=False,
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
    folder = write(tmp_path, change=change)
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
        harness.run_recipe(RECIPE, ["--data", str(tmp_path / "x"), "--output", str(tmp_path / "runs")])
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
        for place, row in enumerate(batch.index.tolist()):
            assert torch.equal(batch.labelled[TASK][place], torch.from_numpy(~np.isnan(data.values[row])))
            expected = letters(data.smiles[row], size=128)
            assert np.array_equal(batch.inputs["fingerprint"][place].numpy(), expected)
    single = splits(config, RECIPE.encoders(config, ("fingerprint",)), only=[1])
    assert bool(single.train.batch.labelled[TASK].all())


@pytest.mark.parametrize("row", ["concat", "fingerprint", "smiles", FOREST])
def test_every_row_finds_what_the_letters_tell(config: Config, tmp_path: Path, row: str) -> None:
    found = RECIPE.run_cell(config, tmp_path, {**CELL, "row": row})
    assert found["tasks"][TASK]["score"] > (0.6 if row == "smiles" else 0.75)


def test_a_network_for_each_assay_alone(config: Config, tmp_path: Path) -> None:
    own = dataclasses.replace(config, single_task=True)
    assert SINGLE in RECIPE.references(own)
    found = RECIPE.run_cell(own, tmp_path, {**CELL, "row": SINGLE})
    assert len(found["by_assay"]) == 3
    assert min(found["by_assay"][:2]) > 0.9
    assert found["tasks"][TASK]["score"] == pytest.approx(np.mean(found["by_assay"]))


def test_numbers_go_through_the_same_code(tmp_path: Path) -> None:
    config = Config(
        data=write(tmp_path / "data", numbers=True), assays="numbers", epochs=12, batch_size=32, width=16,
        lr=0.01, fingerprint_bits=128, max_length=8, dropout=0.0, trees=10, fusions=["concat"],
    )  # fmt: skip
    for row in ("fingerprint", FOREST):
        found = RECIPE.run_cell(config, tmp_path, {**CELL, "row": row})
        assert 0.3 < found["tasks"][TASK]["score"] <= 1.0


def test_the_command_writes_its_run(config: Config, tmp_path: Path) -> None:
    arguments = ["--data", str(config.data), "--output", str(tmp_path / "runs"), "--workers", "0"]
    arguments += ["--config", "recipes/tox21/quick.yaml", "--width", "8", "--fingerprint_bits", "128"]
    run = harness.run_recipe(RECIPE, arguments)
    assert {p.name for p in run.iterdir()} >= {"metrics.json", "table.csv", "report.html", "checkpoints"}
    assert FOREST.partition(",")[0] in (run / "table.csv").read_text()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"assays": "clases"}, "classes"),
        ({"trees": 0}, "--trees should be 1 or more"),
        ({"radius": -1}, "--radius should be 0 or more"),
        ({"dropout": 1.0}, "--dropout from 0"),
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Config(**changes).check()  # type: ignore[arg-type]


def test_the_scaffold_of_rdkit_is_the_rings() -> None:
    pytest.importorskip("rdkit")
    assert murcko_scaffold("CC(=O)Oc1ccccc1C(=O)O") == "c1ccccc1"
    assert murcko_scaffold("CCO") == ""


@pytest.mark.real_data
@pytest.mark.skipif("PLAIT_DATA" not in os.environ, reason="PLAIT_DATA names no folder")
def test_real_data_by_rdkit(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    config = Config(data=Path(os.environ["PLAIT_DATA"]), epochs=2, trees=50)
    data = load(find(config.data, config.file), config.assays)
    assert (len(data.names), len(data.smiles) + data.left_out) == (12, 8014)
    assert data.left_out < 50
    for row in ("fingerprint", FOREST):
        found = RECIPE.run_cell(config, tmp_path, {**CELL, "row": row})
        assert found["tasks"][TASK]["score"] > 0.65
