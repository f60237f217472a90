"""Multi-task attention networks (Liu 2019)."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from sennit.data import View
from sennit.fusion import VectorInput
from sennit.tasks import MTAN, Classification, Hard, MultiTaskModel, Regression, Segmentation
from sennit.tasks.sharing._stage_attention import TaskAttention, fitted
from tests.parts import make_batch, make_inputs, make_model

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


def attending(**more: object) -> MultiTaskModel:
    """A model of two images whose encoders have maps, in which tasks attend to the stages."""
    tasks = {"seg": Segmentation(3), "z": Regression()}
    sharing = MTAN(encoders=True)
    return make_model("concat", tasks, modalities=("colour", "depth"), sharing=sharing, **more).double()


def images(size: int = 4) -> dict[str, Tensor]:
    return {m: x.double() for m, x in make_inputs(size, ("colour", "depth")).items()}


def test_over_encoders_each_task_takes_its_part_of_every_stage() -> None:
    """``â^l = h(g([p^l; pool(f(â^{l−1}))])) ⊙ p^l``, position by position; the decoder and pooling read â."""
    model, inputs = attending().eval(), images(2)
    features = model.features(View.of(inputs))
    for task in ("seg", "z"):
        outputs = {}
        for m, encoder in model.fused_encoder.encoders.items():
            attention, hidden, taps = model.sharing.stages[m], inputs[m], {}
            taken: Tensor | None = None
            for level, info in enumerate(encoder.tap_info):
                hidden, _ = encoder.run_stage(level, hidden, None)
                seen = hidden
                if taken is not None:
                    passed = attention.passes[level - 1](taken)
                    passed = nn.functional.max_pool2d(passed, 2, ceil_mode=True)
                    seen = torch.cat([hidden, passed], 1)
                taken = torch.zeros_like(hidden)
                for n, i, j in itertools.product(*map(range, (2, *hidden.shape[2:]))):
                    mask = attention.attention[task][level](seen[n, :, i, j])
                    taken[n, :, i, j] = mask * hidden[n, :, i, j]
                taps[info.name] = taken
            outputs[m] = encoder.finish(taps, {})
        expected = model.fused_encoder.fuse(outputs, None)
        found = features.fused[task]
        torch.testing.assert_close(found.map, expected.map)
        torch.testing.assert_close(found.pooled, expected.pooled)
    assert torch.equal(features.sources["seg"][""], features.fused["seg"].map)


def test_over_encoders_masks_of_one_are_hard_sharing() -> None:
    model, inputs = attending().eval(), images()
    for module in model.sharing.modules():
        if isinstance(module, TaskAttention):
            nn.init.zeros_(module.mask[1].weight)
            nn.init.constant_(module.mask[1].bias, 100.0)
    view = View.of(inputs, present={"colour": torch.tensor([True, True, False, True])})
    found, plain = model.features(view), model.fused_encoder(view)
    for task in ("seg", "z"):
        torch.testing.assert_close(found.fused[task].map, plain.map)
        torch.testing.assert_close(found.fused[task].pooled, plain.pooled)


def test_over_encoders_what_a_task_takes_is_its_own() -> None:
    """A task alone has the features that it has among others, and its attention learns from it alone."""
    model, view = attending(), View.of(images())
    together = model.features(view).fused["seg"].map
    alone = model.features(view, ["seg"]).fused["seg"].map
    assert together is not None
    torch.testing.assert_close(alone, together, rtol=0, atol=0)
    together.square().sum().backward()
    for name, p in model.sharing.named_parameters():
        assert (p.grad is None) == (".m_z." in name), name


def test_over_encoders_a_stage_that_does_not_halve_the_resolution_is_refused() -> None:
    state = torch.randn(1, 2, 9, 9)
    assert fitted(state, torch.randn(1, 2, 5, 5), "BCHW").shape == (1, 2, 5, 5)
    with pytest.raises(ValueError, match=r"'mtan' passes .* Found \(9, 9\) after a stage and \(4, 4\)"):
        fitted(state, torch.randn(1, 2, 4, 4), "BCHW")
    with pytest.raises(ValueError, match=r"`trunk` should be None with `encoders=True`"):
        MTAN(trunk=TRUNK, encoders=True)
    with pytest.raises(TypeError, match=r"'mtan' acts between .* of 'text' \(VectorInput\) has none"):
        MTAN(encoders=True).bind(("y",), 8, {"text": VectorInput(3)})
