from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import _fusion_peers as peers
from benchmarks import fusion_ops
from benchmarks._harness import peak_mib
from tests import fusion_peer
from tests.benchmarks.test_overhead import check_schema
from tests.benchmarks.test_speaker import made_up

SMALL = {"concat": (3, 4, 2), "film": (4, 3), "low_rank": (3, 4, 2), "tensor_fusion": (5, 3, 4)}
SMALL["multiplicative_interactions"] = (4, 3)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = {n: (build, SMALL[n], more) for n, (build, _, more) in fusion_ops.OPERATORS.items()}
    monkeypatch.setattr(fusion_ops, "OPERATORS", operators)
    monkeypatch.setattr(fusion_ops, "BATCH", 6)
    monkeypatch.setattr(fusion_ops, "DIM", 4)
    monkeypatch.setattr(fusion_ops, "alternate", made_up)


@pytest.fixture
def checkouts(tmp_path: Path) -> dict[str, Path]:
    """A file of fusions where each peer has it."""
    for name, file in peers.FILES.items():
        path = tmp_path / name / file
        path.parent.mkdir(parents=True)
        shutil.copy(fusion_peer.__file__, path)
    return {name: tmp_path / name for name in peers.FILES}


@pytest.mark.parametrize("peer", fusion_ops.HAVE)
def test_both_sides_are_the_same_function(peer: str, checkouts: dict[str, Path]) -> None:
    """Outputs and the gradients of the inputs; `steps` compares them."""
    for operator in fusion_ops.HAVE[peer]:
        ours, theirs = fusion_ops.steps(operator, peer, checkouts[peer])
        torch.testing.assert_close(ours(), theirs())


def test_another_function_is_found_out(checkouts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(peer: object, ours: object) -> torch.nn.Module:
        net = peers.concat(peer, ours)  # type: ignore[arg-type]
        net.linear.bias.data += 1
        return net

    monkeypatch.setitem(fusion_ops.OPERATORS, "concat", (wrong, SMALL["concat"], {}))
    with pytest.raises(AssertionError):
        fusion_ops.steps("concat", "pykale", checkouts["pykale"])


def test_the_factors_of_the_peer_train_only_once_corrected(checkouts: dict[str, Path]) -> None:
    module = peers.load("multibench", checkouts["multibench"])
    faulty = module.LowRankTensorFusion([3, 4, 2], 4, 4)
    assert not any(n.startswith("factors") for n, _ in faulty.named_parameters())
    ours = fusion_ops.make_fusion("low_rank")
    corrected = peers.low_rank(module, ours)
    assert sum(n.startswith("factors") for n, _ in corrected.named_parameters()) == 3
    assert sum(p.numel() for p in corrected.parameters()) == sum(
        p.numel() for n, p in ours.named_parameters() if not n.startswith("missing")
    )


def test_peak_memory_is_the_most_that_is_held_at_a_time() -> None:
    x, size = torch.zeros(1000), 4000

    def run() -> Tensor:
        one = x + 1
        two = one + 1
        del one
        return two + 1  # with two alone: never three at a time

    assert 2 * size <= 2**20 * peak_mib(run) < 3 * size


def test_the_row_of_memory_compares_a_step_of_either_side(checkouts: dict[str, Path]) -> None:
    row = fusion_ops.memory_row(checkouts["multibench"])
    assert (row.what, row.unit) == (fusion_ops.MEMORY, "MiB")
    assert row.ratio > 0


def run_main(out: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict:
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["fusion_ops", "--quick", "--out", str(out), *arguments])
    fusion_ops.main()
    written = json.loads(out.read_text())
    check_schema(written)
    return written


def test_the_rows_of_both_peers(
    checkouts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [f"--peer={name}={path}" for name, path in checkouts.items()]
    written = run_main(tmp_path / "f.json", monkeypatch, *given)
    expected = [f"{o} vs {peer}" for peer, operators in fusion_ops.HAVE.items() for o in operators]
    assert {row["what"] for row in written["rows"]} == {*expected, fusion_ops.MEMORY}
    assert {row["unit"] for row in written["rows"]} == {"ms", "MiB"}


def test_a_missing_peer_is_a_row_that_says_so(
    checkouts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = run_main(tmp_path / "f.json", monkeypatch, f"--peer=pykale={checkouts['pykale']}")
    missing = {row["what"]: row["unit"] for row in written["rows"] if row["runs"] == 0}
    assert len(missing) == len(fusion_ops.HAVE["multibench"]) + 1
    assert set(missing.values()) == {"(not run: no peer: --peer multibench=PATH)"}


def test_a_machine_with_a_gpu_is_refused_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(sys, "argv", ["fusion_ops"])
    with pytest.raises(SystemExit, match="CUDA_VISIBLE_DEVICES"):
        fusion_ops.main()
