from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_diabetes

from sennit.recipes.demo.__main__ import main
from sennit.recipes.demo.patients import COLUMNS, TARGETS, write_patients


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    path = tmp_path_factory.mktemp("demo") / "patients.csv"
    write_patients(path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_cells_are_the_patients_or_blank(rows: list[dict[str, str]]) -> None:
    data = load_diabetes(scaled=False)
    assert len(rows) == len(data.target)
    for i, row in enumerate(rows):
        for j, name in enumerate(COLUMNS):
            if row[name] and name != "sex":
                assert float(row[name]) == pytest.approx(data.data[i, j], rel=1e-5)
        if row["progression"]:
            assert float(row["progression"]) == data.target[i]
        if row["glucose"]:
            assert row["glucose"] == ("raised" if data.data[i, 9] >= 100 else "normal")


def test_a_tenth_of_the_inputs_and_a_fifth_of_the_labels_are_blank(rows: list[dict[str, str]]) -> None:
    def share(names: tuple[str, ...]) -> float:
        return sum(not row[name] for row in rows for name in names) / (len(rows) * len(names))

    assert share(COLUMNS) == pytest.approx(0.1, abs=0.02)
    assert share(TARGETS) == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize("full", [False, True])
def test_the_demo_fits_the_table_and_compares(
    full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[list[str]] = []

    def record(arguments: list[str]) -> Any:
        calls.append(arguments)
        return tmp_path

    monkeypatch.setattr("sennit.recipes.htad.__main__.main", record)
    monkeypatch.setattr("sennit.recipes.table.__main__.main", record)
    assert main(["--output", str(tmp_path), *(["--full"] if full else [])]) == tmp_path
    table, comparison = calls
    assert table[:4] == ["fit", str(tmp_path / "patients.csv"), "--target", "progression,glucose"]
    assert ("--fusions" not in comparison) == full
    shown = capsys.readouterr().out
    assert "sennit table fit" in shown
    assert "sennit recipe htad" in shown
