"""Soft sharing: distances (Duong 2015) and trace norms (Yang & Hospedales 2017)."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

from sennit.tasks import Classification, Regression, create_sharing
from sennit.tasks.sharing import TraceNorm, trace_norm
from tests.parts import make_batch, make_model

TASKS = {"y": Classification(3), "z": Regression(), "w": Regression(2)}
TRUNK = {"name": "mlp", "depth": 2, "dropout": 0.0}
TARGETS = {"y": torch.arange(8) % 3, "z": torch.randn(8, 1), "w": torch.randn(8, 2)}

each = pytest.mark.parametrize("name", ["soft_l2", "trace_norm"])
everywhere = pytest.mark.parametrize("trunk", [None, TRUNK], ids=["encoders", "trunk"])


def make(name: str, trunk: dict[str, Any] | None, *, apart: bool = True, **more: Any):
    sharing = create_sharing(name, trunk=trunk, **{"strength": 0.1, **more})
    model = make_model("gated", TASKS, sharing=sharing).double()
    with torch.no_grad():
        for p in model.parameters() if apart else ():
            p.add_(0.1 * torch.randn_like(p))
    return model


@everywhere
def test_l2_is_the_sum_over_pairs_of_networks(trunk: dict[str, Any] | None) -> None:
    model = make("soft_l2", trunk)
    networks = list(model.sharing.stacks.values()) if trunk else list(model.columns)
    assert len(networks) == 3
    expected = 0.0
    for one, other in itertools.combinations(networks, 2):
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            expected += sum(
                (a - b) ** 2 for a, b in zip(p.flatten().tolist(), q.flatten().tolist(), strict=True)
            )
    assert model.sharing.penalty().item() == pytest.approx(0.1 * expected)


@everywhere
def test_l2_of_equal_networks_is_zero_and_so_is_its_gradient(trunk: dict[str, Any] | None) -> None:
    sharing = make("soft_l2", trunk, apart=False).sharing
    penalty = sharing.penalty()
    penalty.backward()
    assert penalty.item() == pytest.approx(0, abs=1e-20)
    for p in sharing.networks[0].parameters():
        torch.testing.assert_close(p.grad, torch.zeros_like(p))


@everywhere
def test_a_step_down_the_penalty_alone_brings_networks_together(trunk: dict[str, Any] | None) -> None:
    sharing = make("soft_l2", trunk).sharing
    before = sharing.penalty()
    before.backward()
    with torch.no_grad():
        for column in sharing.networks:
            for p in column.parameters():
                p.sub_(p.grad)
    assert sharing.penalty() < 0.2 * before


def singular_values(tensor: torch.Tensor, rows: tuple[int, ...]) -> torch.Tensor:
    """Of the unfolding whose rows are these axes, filled entry by entry."""
    columns = [a for a in range(tensor.dim()) if a not in rows]
    height, width = (math.prod(tensor.shape[a] for a in axes) for axes in (rows, columns))
    matrix = torch.zeros(height, width, dtype=tensor.dtype)
    for place in itertools.product(*map(range, tensor.shape)):
        i = j = 0
        for a in rows:
            i = i * tensor.shape[a] + place[a]
        for a in columns:
            j = j * tensor.shape[a] + place[a]
        matrix[i, j] = tensor[place]
    return torch.linalg.svdvals(matrix)


UNFOLDINGS = {"last": [(3,)], "tucker": [(0,), (1,), (2,), (3,)], "tensor_train": [(0,), (0, 1), (0, 1, 2)]}


@pytest.mark.parametrize("unfolding", UNFOLDINGS)
def test_trace_norm_sums_the_singular_values_of_its_unfoldings(unfolding: str) -> None:
    """Of filters ``[2, 3, 4]`` of 5 tasks, which stand on the last axis."""
    filters = torch.randn(5, 2, 3, 4, dtype=torch.float64)
    expected = sum(singular_values(filters.movedim(0, -1), rows).sum() for rows in UNFOLDINGS[unfolding])
    torch.testing.assert_close(TraceNorm(unfolding=unfolding).distance(filters), expected)


@everywhere
def test_trace_norm_of_equal_networks_is_known(trunk: dict[str, Any] | None) -> None:
    """One singular value a layer: ``√T ‖W‖_F``. Vectors are left free."""
    model = make("trace_norm", trunk, apart=False)
    network = model.sharing.networks[0]
    expected = sum(3**0.5 * p.norm().item() for p in network.parameters() if p.dim() > 1)
    penalty = model.sharing.penalty()
    assert penalty.item() == pytest.approx(0.1 * expected)
    penalty.backward()
    for column in model.sharing.networks:
        for p in column.parameters():
            if p.dim() > 1:  # the subgradient keeps equal networks equal
                torch.testing.assert_close(p.grad, 0.1 * p.detach() / (3**0.5 * p.detach().norm()))
            else:
                assert p.grad is None


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (6, 1)])
def test_gradient_of_the_trace_norm(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(trace_norm, matrix)
    trace_norm(matrix).backward()
    u, _, vh = torch.linalg.svd(matrix.detach(), full_matrices=False)
    torch.testing.assert_close(matrix.grad, u @ vh)


def test_trace_norm_of_zeros_and_of_little_rank_is_finite() -> None:
    zeros = torch.zeros(4, 3, requires_grad=True)
    trace_norm(zeros).backward()
    assert not zeros.grad.any()
    thin = torch.outer(torch.randn(300), torch.randn(4)).requires_grad_()
    norm = trace_norm(thin)
    norm.backward()
    torch.testing.assert_close(norm, thin.norm())
    torch.testing.assert_close(thin.grad, (thin / thin.norm()).detach())


@each
@everywhere
def test_a_penalty_of_no_strength_is_separate_networks(name: str, trunk: dict[str, Any] | None) -> None:
    """The only thing between the networks is the penalty."""
    model, batch = make(name, trunk, strength=0.0), make_batch(8, targets=TARGETS)
    batch = batch.replaced(inputs={m: x.double() for m, x in batch.inputs.items()})
    batch = batch.replaced(targets={t: x.double() if t != "y" else x for t, x in TARGETS.items()})
    before = model.eval()(batch)
    with torch.no_grad():
        for p in model.sharing.networks[1].parameters():
            p.add_(1.0)
    after = model(batch)
    for task in TASKS:
        assert torch.equal(after[task].logits, before[task].logits) == (task != "z")


@pytest.mark.parametrize("fusion", ["early_concat", "mmtm", "bottleneck", "mean_probability"])
def test_works_with_any_fusion_since_nothing_is_exchanged(fusion: str) -> None:
    tasks = {**TASKS, "z": Regression(reads=("table",))}
    model = make_model(fusion, tasks, sharing=create_sharing("soft_l2"))
    loss, _ = model.loss(make_batch(8, targets=TARGETS))
    loss.backward()
    assert bool(loss.isfinite())


@each
def test_what_is_wrong_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"`strength` should be 0 or more. Found -1"):
        create_sharing(name, strength=-1)
    with pytest.raises(ValueError, match=r"unknown unfolding 'tuckr'. Did you mean 'tucker'"):
        create_sharing("trace_norm", unfolding="tuckr")
