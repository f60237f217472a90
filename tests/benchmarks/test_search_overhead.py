from __future__ import annotations

import json
import sys
from pathlib import Path

import optuna
import pytest

from benchmarks import search_overhead
from benchmarks.search_overhead import POPULATION, each_ms, ours, peer, row
from tests.benchmarks.test_overhead import check_schema


@pytest.mark.parametrize("storage", ["memory", None])
def test_both_sides_make_as_many_trials_over_the_same_genes(
    storage: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert each_ms(ours, 2 * POPULATION + 1, storage) > 0
    ours(POPULATION, tmp_path, None)
    peer(POPULATION, tmp_path, None)
    studies = [f"sqlite:///{tmp_path}/{name}.db" for name in ("study", "peer")]
    mine, theirs = (optuna.load_study(study_name=None, storage=storage).trials for storage in studies)
    assert len(mine) == len(theirs) == POPULATION
    assert mine[0].distributions == theirs[0].distributions
    assert len(mine[0].params) == 18


def test_the_ratio_is_the_peers_time_over_ours() -> None:
    found = row("x", [1.0, 2.0, 4.0], [10.0, 10.0, 10.0])
    assert (found.ours, found.peer, found.ratio, found.runs) == (2.0, 10.0, 5.0, 3)
    assert row("x", [2.0], [10.0]).spread == (5.0, 5.0)


def test_the_result_file_has_the_schema_and_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        search_overhead, "each_ms", lambda work, trials, storage: 2.0 if work is ours else 60.0
    )
    monkeypatch.setattr(sys, "argv", ["search_overhead", "--quick", "--out", str(tmp_path / "o.json")])
    search_overhead.main()
    written = json.loads((tmp_path / "o.json").read_text())
    check_schema(written)
    assert [r["what"] for r in written["rows"]] == [
        "a trial of 960 in memory vs the limit",
        "a trial of 960 in sqlite vs the limit",
        "a trial of 160 in memory vs optuna's NSGA-II",
        "a trial of 160 in sqlite vs optuna's NSGA-II",
    ]
    assert [r["ratio"] for r in written["rows"]] == [5.0, 5.0, 30.0, 30.0]
