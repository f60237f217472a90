"""Mean teacher and temporal ensembling together: under kills, and on two ranks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.kept import kept_checkpoints
from tests.tasks.pretext import clustered_runs
from tests.tasks.ranks import run_ranks
from tests.tasks.teachers.taught_runs import SIZES, train

VARIANTS: dict[str, dict[str, Any]] = {
    "norms, dropout, a second look": {"norms": True, "dropout": 0.3, "weighting": "famo"},
    "an average of the weights, accumulation": {"norms": True, "dropout": 0.3, "ema": 0.8, "accumulate": 2},
}


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    assert first.keys() == second.keys()
    found = []
    for key, x in first.items():
        same = torch.equal(x, second[key]) if isinstance(x, torch.Tensor) else x == second[key]
        found += [] if same else [key]
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_resumes_exactly_from_each_of_its_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """The model, the teacher and the memory, that of a run that had ended too."""
    options = VARIANTS[variant]
    monkeypatch.setattr(os, "fsync", lambda _: None)
    with monkeypatch.context() as patched:
        kept = kept_checkpoints(tmp_path / "whole", patched)
        whole = train(tmp_path / "whole", resume=False, **options)
    assert len(kept) == whole["steps"]
    for folder in kept:
        resumed = train(folder, **options)
        assert resumed["steps"] == whole["steps"]
        for part in ("model", "teacher", "memory"):
            assert differences(whole[part], resumed[part]) == [], (folder.name, part)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    run_ranks("tests.tasks.teachers.taught_runs", str(folder))
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_ranks_equal_one_process(ranks: list[dict[str, Any]], tmp_path: Path) -> None:
    """Every write is counted once, whichever rank it was made on."""
    alone = train(tmp_path / "alone")
    for run in (rank["plain"] for rank in ranks):
        assert run["steps"] == alone["steps"]
        assert torch.equal(run["memory"]["counts"], alone["memory"]["counts"])
        assert int(alone["memory"]["counts"][16:].sum()) == 2 * SIZES["unlabelled"]
        for part in ("model", "teacher"):
            for name, x in alone[part].items():
                torch.testing.assert_close(run[part][name], x, rtol=1e-4, atol=1e-5, msg=name)
        torch.testing.assert_close(run["memory"]["values"], alone["memory"]["values"], rtol=1e-4, atol=1e-5)


def test_both_ranks_hold_the_same(ranks: list[dict[str, Any]]) -> None:
    for run in ("plain", "whole", "resumed"):
        first, second = (rank[run] for rank in ranks)
        assert differences(first["memory"], second["memory"]) == []
        for part in ("model", "teacher"):
            assert differences(first[part], second[part]) == []


def test_a_run_on_two_ranks_resumes_exactly(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        for part in ("model", "teacher", "memory"):
            assert differences(rank["whole"][part], rank["resumed"][part]) == [], part


def test_both_ranks_hold_the_same_clusters(ranks: list[dict[str, Any]]) -> None:
    """Each reads its share of a pass, the first computes them; the new heads are the same too."""
    first, second = (rank["clusters"] for rank in ranks)
    assert first["memory"]["counts"].tolist() == [3] * clustered_runs.SIZE
    assert len(first["memory"]["values"].unique()) == clustered_runs.CLUSTERS
    for part in ("model", "memory"):
        assert differences(first[part], second[part]) == []


def test_memories_take_the_rows_of_all_ranks_in_the_order_of_the_ranks(ranks: list[dict[str, Any]]) -> None:
    """Ranks with other numbers of rows, or none; each rank's own rows first would make them differ."""
    first, second = (rank["gathered"] for rank in ranks)
    for memory in ("queue", "prototypes", "samples"):
        assert differences(first[memory], second[memory]) == []
    # Step by step, rank 0 and then rank 1: 10 10, 1 11 11 11, 2 2 12 12 12 12.
    assert first["read"].flatten().tolist() == [2, 12, 12, 12, 12]
    assert first["queue"]["written"] == 12
    assert first["prototypes"]["centres"].flatten().tolist() == [1.5, 11.25]
    assert first["samples"]["values"].flatten().tolist() == [2, 12, 12, 12, 12, 0, 0, 0, 0]
    assert first["samples"]["counts"].tolist() == [2, 3, 3, 2, 1, 0, 0, 0, 0]
