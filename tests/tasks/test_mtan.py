"""Multi-task attention networks (Liu 2019)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from sennit.tasks import MTAN, Classification, Hard, Regression
from tests.parts import make_batch, make_model

TASKS = {"y": Classification(3), "z": Regression()}
TRUNK = {"name": "mlp", "depth": 3, "dropout": 0.0}


def make(trunk: dict | None = None) -> MTAN:
    sharing = MTAN(trunk=trunk or TRUNK)
    sharing.bind(("y", "z"), 8, {})
    return sharing.double()


def test_masks_of_one_are_hard_sharing() -> None:
    sharing, hard = make(), Hard(depth=3, dropout=0.0)
    hard.bind(("y", "z"), 8, {})
    hard.double().trunk.load_state_dict(
        nn.Sequential(*sharing.stack.stages, sharing.stack.finish).state_dict()
    )
    x = torch.randn(5, 8, dtype=torch.float64)
    assert not torch.allclose(sharing(x, ("y",))["y"], hard(x, ("y",))["y"])
    for levels in sharing.attention.values():
        for attention in levels:
            nn.init.zeros_(attention.mask[1].weight)
            nn.init.constant_(attention.mask[1].bias, 100.0)
    for features in sharing(x, ("y", "z")).values():
        torch.testing.assert_close(features, hard(x, ("y",))["y"], rtol=0, atol=0)


def affine(layer: nn.Linear, x: list[float]) -> list[float]:
    rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in rows]


def normal(norm: nn.LayerNorm, x: list[float]) -> list[float]:
    mean = sum(x) / len(x)
    deviation = (sum((v - mean) ** 2 for v in x) / len(x) + 1e-5) ** 0.5
    return [
        w * (v - mean) / deviation + b
        for v, w, b in zip(x, norm.weight.tolist(), norm.bias.tolist(), strict=True)
    ]


def relu(x: list[float]) -> list[float]:
    return [max(v, 0.0) for v in x]


def sigmoid(x: list[float]) -> list[float]:
    return [1 / (1 + float(torch.tensor(-v, dtype=torch.float64).exp())) for v in x]


def test_each_stage_takes_what_the_attention_lets_through() -> None:
    """``â^l = h(g([u^l; f(â^{l−1})])) ⊙ p^l``, sample by sample."""
    sharing, x = make(), torch.randn(4, 8, dtype=torch.float64)
    found = sharing(x, ("y", "z"))
    for task in ("y", "z"):
        for n in range(4):
            u, taken = x[n].tolist(), None
            for level, stage in enumerate(sharing.stack.stages):
                p = stage(torch.tensor(u, dtype=torch.float64)).tolist()
                seen = u
                if taken is not None:
                    linear, norm, _ = sharing.passes[level - 1]
                    seen = u + relu(normal(norm, affine(linear, taken)))
                attention = sharing.attention[task][level]
                g = relu(normal(attention.reads[1], affine(attention.reads[0], seen)))
                mask = sigmoid(normal(attention.mask[1], affine(attention.mask[0], g)))
                taken = [a * b for a, b in zip(mask, p, strict=True)]
                u = p
            expected = sharing.stack.finish(torch.tensor(taken, dtype=torch.float64))
            torch.testing.assert_close(found[task][n], expected)


def test_on_feature_maps_it_attends_at_each_position() -> None:
    sharing = make({"name": "conv", "shape": [2, 2, 2]})
    x, first, second = torch.randn(3, 8, dtype=torch.float64), *sharing.stack.stages
    u1 = sharing.stack.stem(x)
    p1 = first(u1)
    p2 = second(p1)
    for task, found in sharing(x, ("y", "z")).items():
        attention, taken = sharing.attention[task], torch.zeros_like(p2)
        for n, i, j in itertools.product(range(3), range(2), range(2)):
            below = attention[0](u1[n, :, i, j]) * p1[n, :, i, j]
            seen = torch.cat([p1[n, :, i, j], sharing.passes[0](below)])
            taken[n, :, i, j] = attention[1](seen) * p2[n, :, i, j]
        torch.testing.assert_close(found, sharing.stack.finish(taken))


def test_masks_lie_between_zero_and_one_and_differ_by_task_and_sample() -> None:
    sharing, x = make(), torch.randn(4, 8, dtype=torch.float64)
    masks: dict[str, Tensor] = {t: levels[0](x) for t, levels in sharing.attention.items()}
    for mask in masks.values():
        assert bool(((mask > 0) & (mask < 1)).all())
        assert not torch.allclose(mask[0], mask[1])
    assert not torch.allclose(masks["y"], masks["z"])


def test_tasks_do_not_depend_on_each_other() -> None:
    sharing, x = make(), torch.randn(4, 8, dtype=torch.float64)
    together = sharing(x, ("y", "z"))
    torch.testing.assert_close(sharing(x, ("z",))["z"], together["z"], rtol=0, atol=0)


def test_a_batch_of_one_trains() -> None:
    model = make_model(tasks=TASKS, sharing=MTAN())
    batch = make_batch(1, targets={"y": torch.tensor([1]), "z": torch.tensor([[0.5]])}, missing=False)
    loss, _ = model.loss(batch)
    loss.backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.sharing.parameters())
