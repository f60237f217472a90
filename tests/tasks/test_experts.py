"""Mixtures of experts: MMoE (Ma 2018), CGC and PLE (Tang 2020)."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sennit.tasks.sharing import CGC, PLE, Hard, MMoE, Sharing
from sennit.tasks.sharing.stacks import MLPStack
from sennit.tasks.sharing.stacks.batched import make_stacks, run_together
from sennit.tasks.sharing.stacks.mixing import Gates, mix

TASKS, DIM, SIZE = ("a", "b", "c"), 6, 5
STACK = {"name": "mlp", "depth": 1, "dropout": 0.0}


def make(kind: type[Sharing], **options: Any) -> Any:
    sharing = kind(stack=STACK, **options)  # type: ignore[call-arg]
    sharing.bind(TASKS, DIM, {})
    return sharing.double()


def data() -> Tensor:
    return torch.randn(SIZE, DIM, dtype=torch.float64)


def weighted(gate: nn.Module, x: Tensor, experts: list[Tensor]) -> Tensor:
    """``Σ_e softmax(W x)_e f_e`` of one sample, as the papers write it."""
    scores = [sum(w * v for w, v in zip(row, x.tolist(), strict=True)) for row in gate.weight.tolist()]
    total = sum(math.exp(s) for s in scores)
    out = torch.zeros_like(experts[0])
    for score, expert in zip(scores, experts, strict=True):
        out = out + math.exp(score) / total * expert
    return out


def test_mmoe_is_the_papers_sum() -> None:
    """``Σ_e softmax(W_t x)_e f_e(x)``, sample by sample."""
    sharing, x = make(MMoE, experts=3), data()
    features = sharing(x, TASKS)
    for t, task in enumerate(TASKS):
        for n in range(SIZE):
            experts = [expert(x[n : n + 1])[0] for expert in sharing.experts]
            torch.testing.assert_close(
                features[task][n], weighted(sharing.gates.maps[t], x[n], experts).detach(), check_dtype=True
            )


def test_cgc_is_the_papers_sum() -> None:
    """The task's own experts, then the shared ones."""
    sharing, x = make(CGC, shared=2, per_task=2), data()
    features = sharing(x, TASKS)
    for t, task in enumerate(TASKS):
        for n in range(SIZE):
            stacks = [*sharing.level.own[t], *sharing.level.shared]
            experts = [stack(x[n : n + 1])[0] for stack in stacks]
            found = weighted(sharing.level.gates.maps[t], x[n], experts)
            torch.testing.assert_close(features[task][n], found)


def test_ple_is_the_papers_sums() -> None:
    """Of three levels, with the gate of the shared experts over all experts."""
    sharing, x = make(PLE, levels=3, shared=2, per_task=1), data()
    features = sharing(x, TASKS)
    for n in range(SIZE):
        reads, shared = [x[n]] * 3, x[n]
        for level in sharing.levels:
            own = [[e(r[None])[0] for e in level.own[t]] for t, r in enumerate(reads)]
            common = [e(shared[None])[0] for e in level.shared]
            mixed = [weighted(level.gates.maps[t], r, own[t] + common) for t, r in enumerate(reads)]
            if level.shared_gate is not None:
                everything = [*own[0], *own[1], *own[2], *common]
                shared = weighted(level.shared_gate.maps[0], shared, everything)
            reads = mixed
        for task, expected in zip(TASKS, reads, strict=True):
            torch.testing.assert_close(features[task][n], expected)
    assert sharing.levels[-1].shared_gate is None


def test_mmoe_with_one_expert_is_hard_sharing_of_it() -> None:
    sharing, hard, x = make(MMoE, experts=1), Hard(depth=1, dropout=0.0), data()
    hard.bind(TASKS, DIM, {})
    hard.double().trunk.load_state_dict(
        dict(zip(hard.trunk.state_dict(), sharing.experts[0].state_dict().values(), strict=True))
    )
    for task, features in sharing(x, TASKS).items():
        torch.testing.assert_close(features, hard(x, TASKS)[task])


def test_gates_sum_to_one() -> None:
    sharing, x = make(MMoE, experts=4), 10 * data()
    for weights in sharing.gate_weights(x, TASKS).values():
        assert weights.shape == (SIZE, 4)
        torch.testing.assert_close(weights.sum(1), torch.ones(SIZE, dtype=torch.float64))
        assert bool((weights >= 0).all())


def test_cgc_without_experts_of_the_tasks_is_mmoe() -> None:
    cgc, mmoe, x = make(CGC, shared=3, per_task=0), make(MMoE, experts=3), data()
    mmoe.experts.load_state_dict(cgc.level.shared.state_dict())
    mmoe.gates.load_state_dict(cgc.level.gates.state_dict())
    for task, features in mmoe(x, TASKS).items():
        torch.testing.assert_close(cgc(x, TASKS)[task], features)


def test_ple_of_one_level_is_cgc() -> None:
    ple, cgc, x = make(PLE, levels=1, shared=2, per_task=2), make(CGC, shared=2, per_task=2), data()
    cgc.level.load_state_dict(ple.levels[0].state_dict(), strict=True)
    for task, features in cgc(x, TASKS).items():
        torch.testing.assert_close(ple(x, TASKS)[task], features)


def test_ple_reads_the_experts_of_tasks_that_it_does_not_teach() -> None:
    """Task a alone: the input's gradient is that of the whole, the experts of b and c get none."""
    sharing, x = make(PLE, levels=2), data().requires_grad_()
    (alone,) = torch.autograd.grad(sharing(x, ("a",))["a"].square().sum(), x)
    (among,) = torch.autograd.grad(sharing(x, TASKS)["a"].square().sum(), x)
    torch.testing.assert_close(alone, among)
    sharing(x, ("a",))["a"].square().sum().backward()
    lower = sharing.levels[0]
    assert all(p.grad is None for t in (1, 2) for p in lower.own[t].parameters())
    assert all(p.grad is not None for p in lower.own[0].parameters())
    before = sharing(x, ("a",))["a"].detach()
    with torch.no_grad():
        for p in lower.own[1].parameters():
            p.add_(0.3 * torch.randn_like(p))
    assert not torch.allclose(sharing(x, ("a",))["a"], before)


@pytest.mark.parametrize("own", [False, True])
def test_modules_together_are_a_loop_over_them(own: bool) -> None:
    """Values and gradients, of the parameters and of what they read."""
    stacks = nn.ModuleList(MLPStack(DIM, depth=2, dropout=0.0) for _ in range(4)).double()
    again = copy.deepcopy(stacks)
    x = torch.randn(*((4,) if own else ()), SIZE, DIM, dtype=torch.float64)
    weights = torch.randn(4, SIZE, DIM, dtype=torch.float64)
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    (run_together(stacks, one, separate=own) * weights).sum().backward()
    looped = torch.stack([s(other[i] if own else other) for i, s in enumerate(again)])
    (looped * weights).sum().backward()
    torch.testing.assert_close(run_together(stacks, one, separate=own), looped)
    torch.testing.assert_close(one.grad, other.grad)
    for (name, p), q in zip(stacks.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def test_each_module_has_its_own_dropout() -> None:
    stacks = nn.ModuleList(nn.Dropout(0.5) for _ in range(2))
    for module in stacks:  # something to stack
        module.register_parameter("unused", nn.Parameter(torch.zeros(1)))
    first, second = run_together(stacks, torch.ones(64, DIM)).unbind()
    assert not torch.equal(first, second)
    assert set(first.unique().tolist()) == {0.0, 2.0}


def test_vectors_of_all_and_of_each_task_are_mixed_alike() -> None:
    weights, vectors = torch.rand(3, SIZE, 2), torch.randn(2, SIZE, DIM)
    torch.testing.assert_close(mix(weights, vectors), mix(weights, vectors.expand(3, 2, SIZE, DIM)))


def test_gates_read_their_tasks_vectors() -> None:
    gates, x = Gates(3, DIM, 4), torch.randn(2, SIZE, DIM)
    found = gates(x, [2, 0])
    torch.testing.assert_close(found[0], gates.maps[2](x[0]).softmax(-1))
    torch.testing.assert_close(found[1], gates.maps[0](x[1]).softmax(-1))


def test_stacks_with_running_statistics_are_refused() -> None:
    from sennit.tasks.sharing.stacks._base import STACKS, Stack

    class Normalised(Stack):
        def __init__(self, in_dim: int) -> None:
            super().__init__(in_dim)
            self.stages, self.finish, self.out_dim = (
                nn.ModuleList([nn.BatchNorm1d(in_dim)]),
                nn.ReLU(),
                in_dim,
            )

    STACKS._classes["test/normalised"] = Normalised
    try:
        with pytest.raises(TypeError, match=r"should have no buffers.*running_mean.*'test/normalised'"):
            make_stacks({"name": "test/normalised"}, DIM, 2)
    finally:
        del STACKS._classes["test/normalised"]


@pytest.mark.parametrize(
    ("make_it", "match"),
    [
        (lambda: MMoE(experts=0), "`experts` should be 1 or more. Found 0"),
        (lambda: CGC(shared=0), "`shared` should be 1 or more, and `per_task` 0 or more. Found 0 and 1"),
        (lambda: CGC(per_task=-1), "`per_task` 0 or more. Found 2 and -1"),
        (lambda: PLE(levels=0), "`levels` should be 1 or more. Found 0"),
        (lambda: MMoE(stack={"name": "mpl"}).bind(TASKS, DIM, {}), "unknown stack 'mpl'. Did you mean 'mlp'"),
    ],
)
def test_what_is_wrong_is_refused_by_name(make_it: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make_it()
