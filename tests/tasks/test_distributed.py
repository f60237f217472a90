"""Two ranks take the step that one process takes on their joined batch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch import multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from sennit.data import Batch
from sennit.tasks import (
    Classification,
    MultiLabel,
    MultiTaskModel,
    PCGrad,
    Regression,
    create_sharing,
    create_weighting,
)
from sennit.tasks.balancing import GradVac
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.labelled_mean import any_rank, labelled_means
from tests.parts import make_batch, make_model
from tests.tasks import rank_methods

RANKS, SIZE, LIMIT_S = 2, 12, 90
SEEDS = (8, 10)
"""Of the two ranks; alone, PCGrad draws other orders and so other weights from each."""
WEIGHTINGS = ("equal", "uncertainty", "famo")
STACK = {"name": "mlp", "depth": 1, "dropout": 0.0}
SHARINGS: dict[str, dict[str, Any]] = {
    "hard": {},
    "adaptive": {"stack": STACK, "tree": [["y", "w"], ["z"]]},
    "cross_stitch": {},
    "mtan": {"trunk": STACK},
    "ple": {"stack": STACK},
    "tensor_normal": {"stack": STACK},
}
"""Of each kind one; those with batch normalisation see the rank's half alone."""
CASES: list[tuple[str, ...]] = [
    *[(w, "", "hard") for w in WEIGHTINGS],
    *[("equal", level, "hard") for level in ("features", "parameters")],
    ("equal", "features", "hard", "table"),
    *[("equal", "", name) for name in SHARINGS if name != "hard"],
]
"""Weightings, the level of PCGrad, sharings, and what tasks z and w read, where that is not all."""


def make(weighting: str, sharing: str, reads: tuple[str, ...] | None = None) -> MultiTaskModel:
    torch.manual_seed(0)
    tasks = {"y": Classification(3), "z": Regression(2, reads=reads), "w": MultiLabel(3, reads=reads)}
    own = create_sharing(sharing, **SHARINGS[sharing])
    return make_model("gated", tasks, weighting=create_weighting(weighting), sharing=own)


def joined_batch() -> Batch:
    """Of the first rank's half, none is labelled for z; of the second's, most; w in single entries."""
    torch.manual_seed(1)
    rows = torch.arange(SIZE)
    return make_batch(
        SIZE,
        targets={"y": rows % 3, "z": torch.randn(SIZE, 2), "w": (torch.rand(SIZE, 3) > 0.5).float()},
        labelled={"y": rows % 5 < 3, "z": rows > 6, "w": torch.rand(SIZE, 3) > 0.4 + 0.04 * rows[:, None]},
    )


class Recording(PCGrad):
    """Keeps the Gramian that it was asked about."""

    gramian: Tensor

    def weights(self, gramian: Tensor) -> Tensor:
        self.gramian = gramian.clone()
        return super().weights(gramian)


class Step(nn.Module):
    """What DDP wraps: the loss of a batch."""

    def __init__(self, model: MultiTaskModel, *, level: str) -> None:
        super().__init__()
        self.model, self.balancing = model, Recording(level=level) if level else None

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        if self.balancing is None:
            return self.model.loss(batch)
        loss, parts = balanced_loss(self.model, self.balancing, batch)
        return loss, parts | {"gramian": self.balancing.gramian}


def step(case: tuple[str, ...], batch: Batch, seed: int) -> dict[str, Any]:
    weighting, level, sharing, *reads = case
    model = make(weighting, sharing, tuple(reads) or None)
    torch.manual_seed(seed)  # ranks differ in the random orders that they draw
    module: nn.Module = Step(model, level=level)
    if dist.is_initialized():
        module = DistributedDataParallel(module, find_unused_parameters=True)
    loss, parts = module(batch)
    loss.backward()
    return {
        "loss": loss.detach(),
        "parts": parts,
        "gradients": {n: p.grad for n, p in model.named_parameters()},
        "state": {n: b.clone() for n, b in model.weighting.named_buffers()},
    }


def similarities(batch: Batch, seed: int) -> Tensor:
    """What GradVac keeps after two steps."""
    model, rule = make("equal", "hard"), GradVac(beta=0.5)
    rule.bind(list(model.tasks))
    torch.manual_seed(seed)
    for _ in range(2):
        balanced_loss(model, rule, batch)
    return rule.similarities


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=RANKS)
    half = joined_batch().select(torch.arange(SIZE).chunk(RANKS)[rank])
    results: dict[Any, Any] = {case: step(case, half, seed=SEEDS[rank]) for case in CASES}
    results["similarities"] = similarities(half, seed=SEEDS[rank])
    x = torch.tensor([1.0, 2.0, 3.0, 6.0][2 * rank : 2 * rank + 2], requires_grad=True)
    mean = labelled_means([[(x, torch.tensor([rank == 0, True]))]])[0]
    mean.backward()
    nothing = labelled_means([[(x, torch.zeros(2, dtype=torch.bool))]])[0]
    results["mean"], results["slope"], results["nothing"] = mean.detach(), x.grad, nothing.detach()
    results |= rank_methods.steps(rank)
    results["active"] = any_rank((rank == 0, rank == 1, False), torch.device("cpu"))
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Any, Any]]:
    folder: Path = tmp_path_factory.mktemp("ranks")
    context = mp.spawn(work, (str(folder),), nprocs=RANKS, join=False)
    deadline = time.monotonic() + LIMIT_S
    while not context.join(timeout=1):
        if time.monotonic() > deadline:
            for process in context.processes:
                process.kill()
            pytest.fail(f"the ranks were not done after {LIMIT_S} s")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(filter(None, c)))
def test_the_gradient_is_that_of_the_joined_batch(ranks: list[dict[Any, Any]], case: tuple[str, ...]) -> None:
    """⚑ Counts are summed across ranks, and ⚑ all ranks take PCGrad's weights from the first."""
    expected = step(case, joined_batch(), seed=SEEDS[0])
    for rank in ranks:
        torch.testing.assert_close(rank[case]["loss"], expected["loss"])
        torch.testing.assert_close(rank[case]["parts"], expected["parts"])
        torch.testing.assert_close(rank[case]["state"], expected["state"])
        for name, gradient in expected["gradients"].items():
            torch.testing.assert_close(rank[case]["gradients"][name], gradient, msg=name)


@pytest.mark.parametrize("method", rank_methods.METHODS)
def test_the_gradient_of_a_task_without_labels_is_that_of_the_joined_batch(
    ranks: list[dict[Any, Any]], method: str
) -> None:
    """Of the same views: the random numbers of two ranks are others than those of one."""
    expected = rank_methods.step(method)
    assert float(expected["parts"]["method"]) > 1e-3
    for rank in ranks:
        torch.testing.assert_close(rank[method]["parts"], expected["parts"])
        for name, gradient in expected["gradients"].items():
            torch.testing.assert_close(rank[method]["gradients"][name], gradient, msg=name)


def test_a_rank_without_a_label_mixes_none_and_takes_part(ranks: list[dict[Any, Any]]) -> None:
    first, second = (rank["uneven"] for rank in ranks)
    assert (first["batches"], second["batches"]) == (3, 2)
    assert set(first["parts"]) == {"y", "method", "loss"}
    torch.testing.assert_close(first["parts"], second["parts"])


@pytest.mark.parametrize("level", ["features", "parameters"])
def test_pcgrad_weights_agree_across_ranks(ranks: list[dict[Any, Any]], level: str) -> None:
    """⚑ Random orders differ between ranks, and matter for these gradients."""

    def weights(parts: dict[str, Tensor]) -> Tensor:
        return torch.stack([parts[f"weight/{t}"] for t in ("y", "z", "w")])

    alone = [weights(step(("equal", level, "hard"), joined_batch(), seed)["parts"]) for seed in SEEDS]
    assert not torch.allclose(*alone), "choose seeds whose orders give different weights"
    together = [weights(rank["equal", level, "hard"]["parts"]) for rank in ranks]
    assert torch.equal(*together)
    torch.testing.assert_close(together[0], alone[0])


def test_what_gradvac_keeps_is_that_of_the_first_rank(ranks: list[dict[Any, Any]]) -> None:
    alone = [similarities(joined_batch(), seed) for seed in SEEDS]
    assert not torch.allclose(*alone), "choose seeds whose orders give different similarities"
    for rank in ranks:
        torch.testing.assert_close(rank["similarities"], alone[0], rtol=1e-4, atol=1e-6)


def test_the_mean_is_over_all_ranks(ranks: list[dict[Any, Any]]) -> None:
    for rank in ranks:
        assert rank["mean"].item() == pytest.approx((1 + 2 + 6) / 3)
        assert rank["nothing"].item() == 0
    # Averaged by DDP over two ranks, each known unit has a third.
    assert torch.cat([r["slope"] for r in ranks]).tolist() == pytest.approx([2 / 3, 2 / 3, 0, 2 / 3])


def test_a_task_is_active_where_any_rank_has_a_label(ranks: list[dict[Any, Any]]) -> None:
    assert [r["active"] for r in ranks] == [(True, True, False)] * RANKS
