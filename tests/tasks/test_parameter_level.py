"""Balancing at the parameters: the Gramian of whole models, and the step that follows from it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import (
    Balancing,
    Classification,
    Learner,
    MultiLabel,
    MultiTaskModel,
    PCGrad,
    Regression,
    create_weighting,
)
from sennit.tasks.balancing import parameter_gramian as parameter_level
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.balancing.gramian import Graph, conv, linear
from sennit.tasks.model.active import active_tasks
from sennit.testing.gradients import assert_close_gradients, backward
from tests.parts import make_batch, make_model
from tests.tasks.test_balancing import CASES, head_parameters, one_task, read_by_y_alone, tasks, whole_batch
from tests.tasks.training import make_trainer

each_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture(params=["gradients", "rules", "batched"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Gradients of all tasks are formed one by one; rules serve where they can; all tasks go together."""
    if request.param == "rules":
        monkeypatch.setattr(linear, "rows_are_cheaper", lambda *sizes: True)
        monkeypatch.setattr(conv, "rows_are_cheaper", lambda *sizes: True)
    if request.param == "batched":
        monkeypatch.setattr(Graph, "batched", property(lambda graph: graph.batches))
    return request.param


Gradients = dict[str, Tensor | None]


class Given(Balancing):
    """Given weights, whatever the Gramian, which it keeps."""

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        super().__init__(level="parameters")
        self.given, self.gramian = weights, torch.zeros(0)

    def weights(self, gramian: Tensor) -> Tensor:
        self.gramian = gramian
        return gramian.new_ones(len(gramian)) if self.given is None else gramian.new_tensor(self.given)


def each_task(model: MultiTaskModel, batch: Any) -> dict[str, Gradients]:
    """One full backward pass for each active task."""
    batches = [batch] if isinstance(batch, Batch) else list(batch.values())
    active = active_tasks(model, batches)
    return {
        task: backward(model, batch, lambda b, task=task: (one_task(model, batches, task), {}))
        for task, on in zip(model.tasks, active, strict=True)
        if on
    }


def shared_gramian(model: MultiTaskModel, alone: dict[str, Gradients]) -> Tensor:
    """Inner products over what several tasks reach below the heads (or one, where it is alone)."""
    least = min(2, len(alone))
    names = set().union(*alone.values()) - head_parameters(model)
    if model.tasks["z"].reads:
        names -= read_by_y_alone(model)
    total = torch.zeros(len(alone), len(alone), dtype=torch.float64)
    for name in names:
        own = [gradients[name] for gradients in alone.values()]
        there = [g for g in own if g is not None]
        if len(there) >= least:
            flat = torch.stack([torch.zeros_like(there[0]) if g is None else g for g in own]).double()
            total += flat.flatten(1) @ flat.flatten(1).T if flat.dim() > 1 else flat[:, None] * flat
    return total


@pytest.mark.usefixtures("way")
@each_case
def test_the_gramian_is_that_of_full_backward_passes(case: str) -> None:
    """Several boundary tensors, auxiliary heads, views, tasks that read some modalities or are inactive."""
    model, batch = CASES[case]()
    rule = Given()
    balanced_loss(model, rule, batch)
    expected = shared_gramian(model, each_task(model, batch))
    torch.testing.assert_close(rule.gramian.double(), expected, rtol=1e-5, atol=1e-6 * float(expected.max()))


@pytest.mark.usefixtures("way")
@each_case
def test_the_step_is_the_weighted_sum_of_full_backward_passes(case: str) -> None:
    model, batch = CASES[case]()
    alone = each_task(model, batch)
    given = [-0.5, 2.0, 0.3][: len(alone)]
    ordinary = backward(model, batch)
    own = head_parameters(model) | (read_by_y_alone(model) if case == "reads" else set())
    found = backward(model, batch, lambda b: balanced_loss(model, Given(given), b))
    for name, gradient in found.items():
        terms = [w * g[name] for w, g in zip(given, alone.values(), strict=True) if g[name] is not None]
        expected = ordinary[name] if name in own else sum(terms) if terms else None
        assert_close_gradients({name: gradient}, {name: expected})


@pytest.mark.usefixtures("way")
def test_transformers_of_the_library() -> None:
    """Series with padding and tables with missing cells, in double precision."""
    torch.manual_seed(0)
    encoders = {
        "series": create_encoder("series_transformer", 2, embed_dim=8, depth=2, heads=2, dropout=0.0),
        "table": create_encoder("ft_transformer", 3, embed_dim=8, depth=1, heads=2, dropout=0.0),
    }
    fusion = create_fusion("bottleneck", encoders, embed_dim=8, heads=2, dropout=0.0)
    parts = {"encoders": encoders, "fusion": fusion, "tasks": tasks(), "modality_dropout": 0.0}
    model = MultiTaskModel(**parts).double()
    batch = whole_batch(modalities=("series", "table"))
    table = batch.inputs["table"].clone()
    table[:2, 0] = torch.nan
    batch = Batch.of(
        {"series": batch.inputs["series"].double(), "table": table.double()},
        masks=batch.masks,
        present=batch.present,
        targets={"y": batch.targets["y"], "z": batch.targets["z"].double()},
    )
    rule = Given()
    balanced_loss(model, rule, batch)
    assert rule.gramian.dtype == torch.float64
    torch.testing.assert_close(
        rule.gramian, shared_gramian(model, each_task(model, batch)), rtol=1e-9, atol=0
    )


def test_what_one_task_alone_reaches_is_not_shared() -> None:
    """Unless it shares nothing at all: then its gradient counts, and no row is empty."""
    masks = {"both": 0b011, "first": 0b001, "third": 0b100}
    tensors = {name: torch.zeros(1) for name in masks}
    found = parameter_level._shared({tensors[name]: mask for name, mask in masks.items()})
    assert [name for name, x in tensors.items() if any(x is y for y in found)] == ["both", "third"]


def test_pcgrad_leaves_no_conflict_at_the_parameters() -> None:
    model, batch = CASES["trunk"]()
    for p in model.heads.parameters():
        p.data.mul_(torch.randn(()))
    found = backward(model, batch, lambda b: balanced_loss(model, PCGrad(level="parameters"), b))
    alone, heads = each_task(model, batch), head_parameters(model)
    for own in alone.values():
        product = sum((g * found[n]).sum() for n, g in own.items() if g is not None and n not in heads)
        assert float(product) >= -1e-6


def test_frozen_parts_do_not_count() -> None:
    model, batch = CASES["plain"]()
    Learner(model, freeze=("series",))
    rule = Given()
    balanced_loss(model, rule, batch)
    expected = shared_gramian(model, each_task(model, batch))
    torch.testing.assert_close(rule.gramian.double(), expected, rtol=1e-5, atol=1e-6)
    Learner(model, freeze=("series", "table", "fusion", "sharing"))
    with pytest.raises(ValueError, match=r"parameters that the tasks share and that learn. Found none"):
        balanced_loss(model, rule, batch)


def test_mixed_precision() -> None:
    """Nothing but the forward pass is in half precision: inner products are float32, and close."""
    model, batch = CASES["trunk"]()
    whole, half = Given(), Given()
    balanced_loss(model, whole, batch)
    with torch.autocast("cpu", torch.bfloat16):
        balanced_loss(model, half, batch)[0].backward()
    assert half.gramian.dtype == torch.float32
    assert float((half.gramian - whole.gramian).abs().max() / whole.gramian.abs().max()) < 0.05
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("level", ["features", "parameters"])
def test_small_gradients_in_half_precision_are_formed_at_the_scale_of_the_scaler(level: str) -> None:
    """Losses so small that in float16 their gradients are zero without it."""
    small = create_weighting("fixed", weights={"y": 3e-7, "z": 3e-7})
    model, batch, scale = make_model("gated", tasks(), weighting=small), whole_batch(), 2.0**16
    whole, half = Given([0.5, -2.0]), Given([0.5, -2.0])
    whole.level = half.level = level
    expected = backward(model, batch, lambda b: balanced_loss(model, whole, b))

    def scaled(by: float) -> Gradients:
        model.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = balanced_loss(model, half, batch, scale=by)[0]
        (scale * loss).backward()
        return {n: None if p.grad is None else p.grad / scale for n, p in model.named_parameters()}

    def error(found: Gradients) -> float:
        there = [(g, expected[n]) for n, g in found.items() if g is not None]
        return float(sum((a - b).norm() for a, b in there) / sum(b.norm() for _, b in there))

    assert error(scaled(1.0)) > 0.1
    assert error(scaled(scale)) < 0.02
    torch.testing.assert_close(half.gramian, whole.gramian, rtol=0.05, atol=float(whole.gramian.max()) / 50)


def test_the_gramian_is_compared_at_the_first_step_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    check = parameter_level.check_gramians
    monkeypatch.setattr(parameter_level, "check_gramians", lambda *a: looks.append(1) or check(*a))
    model, batch = CASES["plain"]()
    for _ in range(3):
        balanced_loss(model, Given(), batch)
    assert looks == [1]
    balanced_loss(copy.deepcopy(model), Given(), batch)
    assert looks == [1, 1]


def test_gradients_that_are_changed_on_their_way_are_found_at_the_first_step() -> None:
    model, batch = CASES["plain"]()
    encoder = model.fused_encoder.encoders["table"]
    encoder.head.register_forward_hook(
        lambda m, x, y: y.register_hook(lambda g: g.clamp(-1e-3, 1e-3)) and None
    )
    with pytest.raises(RuntimeError, match=r"gradient of '.*table.*' should be .* level='features'"):
        balanced_loss(model, Given(), batch)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"unknown level of the gradients 'parameter'\. Did you mean 'parameters'"
    ):
        PCGrad(level="parameter")  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_learner_balances_at_the_parameters(precision: str) -> None:
    """With accumulation, clipping, and a task that has no label in every other batch."""
    model = make_model("gated", {"y": Classification(3), "z": Regression(), "w": MultiLabel(2)})
    batch = make_batch(
        32,
        targets={"y": torch.arange(32) % 3, "z": torch.randn(32, 1), "w": torch.ones(32, 2)},
        labelled={"z": torch.arange(32) < 16},
    )
    data, before = BatchDataset(batch), {n: p.detach().clone() for n, p in model.named_parameters()}
    loader = DataLoader(data, batch_size=8, collate_fn=data.collate)
    learner = Learner(model, balancing=PCGrad(level="parameters"))
    assert learner.options["balancing"] == {"name": "pcgrad", "level": "parameters"}
    options = {"accumulate_grad_batches": 2, "precision": precision}
    make_trainer(gradient_clip_val=None if "mixed" in precision else 0.5, **options).fit(learner, loader)
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert all(not torch.equal(p, before[n]) for n, p in model.named_parameters() if n.startswith("heads"))


def test_gradients_accumulate_over_balanced_steps() -> None:
    model, _ = CASES["plain"]()
    batches = [whole_batch(), whole_batch()]
    given = [0.5, -2.0]
    apart = [backward(model, b, lambda b: balanced_loss(model, Given(given), b)) for b in batches]
    model.zero_grad()
    for b in batches:
        (balanced_loss(model, Given(given), b)[0] / 2).backward()
    for name, p in model.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(p.grad, (apart[0][name] + apart[1][name]) / 2)


@pytest.mark.parametrize("part", ["table.project.weight", "heads.m_y.0.weight"])
def test_a_hook_of_a_parameter_is_applied_once(part: str) -> None:
    model, batch = CASES["plain"]()
    name, p = next((n, p) for n, p in model.named_parameters() if n.endswith(part))
    before = backward(model, batch, lambda b: balanced_loss(model, Given(), b))
    p.register_hook(lambda g: 3 * g)
    after = backward(model, batch, lambda b: balanced_loss(model, Given(), b))
    assert_close_gradients(after, before | {name: 3 * before[name]})


def test_a_table_with_sparse_gradients_keeps_them() -> None:
    encoder = create_encoder("bytes", max_length=8)
    table = next(m for m in encoder.modules() if isinstance(m, torch.nn.Embedding))
    table.sparse = True
    tasks = {t: Classification(2) for t in ("y", "z")}
    fusion = create_fusion("concat", {"text": encoder})
    model = MultiTaskModel(encoders={"text": encoder}, fusion=fusion, tasks=tasks)
    text = torch.stack([encoder.to_tensor("abcdefgh")[:8], encoder.to_tensor("hgfedcba")[:8]])
    batch = Batch.of({"text": text}, targets={t: torch.tensor([0, 1]) for t in tasks})
    balanced_loss(model, Given([2.0, 0.5]), batch)[0].backward()
    assert table.weight.grad is not None
    assert table.weight.grad.is_sparse
