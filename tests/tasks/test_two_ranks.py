"""Two ranks, trained through `fit`, end where one process on their joined batches does."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
import torch

from tests.tasks.ranks import run_ranks
from tests.tasks.two_ranks import accumulate, train


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    run_ranks("tests.tasks.two_ranks", str(folder))
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return train(tmp_path_factory.mktemp("alone"), 1)


def rows(text: str) -> list[dict[str, float]]:
    return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(io.StringIO(text))]


def test_two_ranks_equal_one_process_on_the_joined_batches(
    ranks: list[dict[str, Any]], alone: dict[str, Any]
) -> None:
    """With tasks unlabelled in a batch, missing modalities, an unlabelled loader, a last smaller batch."""
    for found in ranks:
        assert found["plain"]["steps"] == alone["steps"] == 8
        assert found["plain"]["best"] == pytest.approx(alone["best"])
        for name, x in alone["state"].items():
            torch.testing.assert_close(found["plain"]["state"][name], x, rtol=1e-4, atol=1e-5, msg=name)


def test_metrics_and_logged_losses_agree_too(ranks: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    expected, found = rows(alone["metrics"]), rows(ranks[0]["plain"]["metrics"])
    assert len(expected) == len(found) == 4
    assert any("train/same" in row for row in expected)
    for one, two in zip(expected, found, strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-4)


def test_both_ranks_hold_the_same_weights(ranks: list[dict[str, Any]]) -> None:
    for run in ("plain", "whole", "resumed", "accumulated"):
        first, second = (found[run]["state"] for found in ranks)
        assert all(torch.equal(x, second[name]) for name, x in first.items())


def test_a_run_on_two_ranks_goes_on_exactly(ranks: list[dict[str, Any]]) -> None:
    """From a checkpoint in mid-epoch; every rank has random numbers of its own."""
    for found in ranks:
        for name, x in found["whole"]["state"].items():
            assert torch.equal(x, found["resumed"]["state"][name]), name


def test_accumulated_batches_of_two_ranks_are_one_batch(ranks: list[dict[str, Any]]) -> None:
    joined, alone = accumulate(1, 1), accumulate(1, 2)
    for name, x in joined.items():
        for found in (alone[name], ranks[0]["accumulated"]["state"][name]):
            torch.testing.assert_close(found, x, rtol=1e-3, atol=1e-4, msg=name)
