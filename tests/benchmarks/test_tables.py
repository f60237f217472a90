"""The plan and the summary of `benchmarks.tables`, and the peers' rows."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks._tables_data import Table
from benchmarks._tables_peers import boosted_trees, read, rows_of
from benchmarks._tables_summary import Job, against_peers, best_alone, summary
from benchmarks.tables import SYSTEMS, jobs


def planned(**options: object) -> list[str]:
    given = {"quick": False, "seeds": 1, "systems": SYSTEMS, "autogluon": Path("python"), **options}
    return [job.name for job in jobs(argparse.Namespace(**given))]


def test_a_system_runs_on_the_tables_that_it_can_read() -> None:
    names = planned(tables=["adult", "stamps", "digits", "speech_digits"])
    assert names == [
        *("adult-0-ours", "stamps-0-ours", "digits-0-ours", "speech_digits-0-ours"),
        *(
            "adult-0-trees",
            "stamps-0-trees",
            "speech_digits-0-svm",
            "adult-0-autogluon",
            "stamps-0-autogluon",
        ),
        *("stamps-0-alone-picture", "stamps-0-alone-voice", "stamps-0-alone-words"),
        *("digits-0-alone-picture", "digits-0-alone-voice"),
    ]
    assert planned(tables=["adult"], seeds=2, autogluon=None, systems=["ours", "autogluon"]) == [
        "adult-0-ours",
        "adult-1-ours",
    ]


def test_the_summary_is_over_seeds() -> None:
    results = {
        Job(seed, "adult", "ours"): {"accuracy": {"income": accuracy}, "seconds": 10 * seed}
        for seed, accuracy in enumerate((0.8, 0.9))
    }
    assert against_peers(results) == []
    (row,) = summary(results)
    assert row["accuracy"] == pytest.approx(0.85)
    assert row["deviation"] == pytest.approx(0.0707, abs=1e-4)
    assert (row["seconds"], row["runs"], row["lines_of_code"]) == (5.0, 2, 1)


def test_trees_learn_from_labelled_training_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    lines = ["split,y,x", "train,,9"]
    lines += [f"{split},{int(i > 20)},{i}" for split in ("train", "test") for i in range(40)]
    path.write_text("\n".join(lines) + "\n")
    labels, rows = rows_of(read(path), "y")
    assert labels[0] == ""
    assert {name: len(indices) for name, indices in rows.items()} == {
        "train": 40,
        "validation": 0,
        "test": 40,
    }
    table = Table(("y",), lambda data, folder, seed: [], {}, numbers=("x",))
    accuracy = boosted_trees(table, path, "y")
    assert accuracy is not None
    assert accuracy > 0.9
    assert boosted_trees(Table(("y",), table.make, {"x": "image"}), path, "y") is None


def test_ours_is_compared_with_each_system_of_the_same_seed() -> None:
    accuracies = {("ours", 0): 0.8, ("ours", 1): 0.6, ("trees", 0): 0.4, ("trees", 1): 0.6}
    results = {
        Job(seed, "t", system): {"accuracy": {"y": value}, "seconds": 1.0}
        for (system, seed), value in accuracies.items()
    }
    (row,) = against_peers(results)
    assert row.what == "t, y: ours vs trees"
    assert (row.ours, row.peer, row.ratio, row.spread, row.runs) == (0.7, 0.5, 1.5, (1.0, 2.0), 2)


def test_ours_is_beside_the_modality_that_is_best_over_the_seeds() -> None:
    accuracies = {
        ("ours", ""): (0.8, 0.6),
        ("alone", "voice"): (0.9, 0.1),
        ("alone", "words"): (0.5, 0.7),
    }
    results = {
        Job(seed, "t", system, column): {"accuracy": {"y": values[seed]}, "seconds": 1.0}
        for (system, column), values in accuracies.items()
        for seed in range(2)
    }
    (row,) = best_alone(results)
    assert (row["best_modality"], row["alone"], row["ours"]) == ("words", 0.6, 0.7)
    assert (row["gain"], row["least_gain"], row["runs"]) == (0.1, -0.1, 2)
