"""Balancing at the features: who receives which gradient, and PCGrad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset
from sennit.tasks import (
    Balancing,
    Classification,
    Consistency,
    CrossStitch,
    Hard,
    Learner,
    MultiLabel,
    MultiTaskModel,
    PCGrad,
    Regression,
    create_weighting,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.losses import task_losses, training_features
from sennit.testing.gradients import assert_close_gradients, backward
from tests.parts import MODALITIES, make_batch, make_model, make_view
from tests.tasks.training import make_trainer

SIZE = 12
TARGETS = {"y": torch.arange(SIZE) % 3, "z": torch.linspace(-1, 1, SIZE)[:, None]}


class Fixed(Balancing):
    """Given weights, whatever the gradients."""

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.given = weights
        self.gramian = torch.zeros(0)

    def weights(self, gramian: Tensor) -> Tensor:
        self.gramian = gramian
        return torch.ones(len(gramian)) if self.given is None else torch.tensor(self.given)


def tasks(**more: Any) -> dict[str, Any]:
    return {"y": Classification(3), "z": Regression(), **more}


def whole_batch(**more: Any) -> Batch:
    return make_batch(SIZE, targets=TARGETS, **more)


def with_views() -> Batch:
    return whole_batch().with_views(
        weak=make_view(SIZE, MODALITIES[:2]), strong=make_view(SIZE, MODALITIES[:2])
    )


CASES = {
    "plain": lambda: (make_model("gated", tasks()), whole_batch()),
    "trunk": lambda: (make_model("gated", tasks(), sharing=Hard(depth=1, dropout=0.0)), whole_batch()),
    "decision": lambda: (make_model("multiplicative", tasks()), whole_batch()),
    "reads": lambda: (
        make_model("gated", {"y": Classification(3), "z": Regression(reads=("table",))}),
        whole_batch(),
    ),
    "auxiliary": lambda: (make_model("central_net", tasks()), whole_batch()),
    "mmtm": lambda: (make_model("mmtm", tasks()), whole_batch()),
    "uncertainty": lambda: (
        make_model("gated", tasks(), weighting=create_weighting("uncertainty")),
        whole_batch(),
    ),
    "no label": lambda: (
        make_model("gated", tasks()),
        whole_batch(labelled={"z": torch.zeros(SIZE, dtype=torch.bool)}),
    ),
    "consistency": lambda: (
        make_model("gated", tasks(same=Consistency(of="y", teacher="weak", student="strong"))),
        with_views(),
    ),
    "two batches": lambda: (make_model("gated", tasks()), {"a": whole_batch(), "b": whole_batch()}),
}

each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_weights_of_one_give_exactly_the_ordinary_gradient(case: str) -> None:
    model, batch = CASES[case]()
    loss, parts = model.loss(batch)
    surrogate, balanced_parts = balanced_loss(model, Fixed(), batch)
    torch.testing.assert_close(surrogate, loss)
    assert {k: v for k, v in balanced_parts.items() if not k.startswith("weight/")} == parts
    ordinary = backward(model, batch)
    assert_close_gradients(backward(model, batch, lambda b: balanced_loss(model, Fixed(), b)), ordinary)


def head_parameters(model: MultiTaskModel) -> set[str]:
    return {
        n for n, _ in model.named_parameters() if n.startswith(("heads.", "auxiliary_heads.", "weighting."))
    }


@each_case
def test_weights_scale_only_what_shared_parameters_receive(case: str) -> None:
    """Traps: weights that scale the heads too; a negative weight that makes a head ascend."""
    model, batch = CASES[case]()
    batches = [batch] if isinstance(batch, Batch) else list(batch.values())
    active = active_tasks(model, batches)
    on = [t for t, is_on in zip(model.tasks, active, strict=True) if is_on]
    given = [-0.5, 2.0, 0.3][: len(on)]
    ordinary = backward(model, batch)
    balanced = backward(model, batch, lambda b: balanced_loss(model, Fixed(given), b))
    expected: dict[str, Tensor | None] = dict.fromkeys(ordinary)
    for weight, task in zip(given, on, strict=True):
        alone = backward(model, batch, lambda b, task=task: (one_task(model, batches, task), {}))
        for name, gradient in alone.items():
            if gradient is not None:
                so_far = expected[name]
                expected[name] = weight * gradient + (0 if so_far is None else so_far)
    heads = head_parameters(model)
    assert_close_gradients({n: g for n, g in balanced.items() if n in heads}, {n: ordinary[n] for n in heads})
    for name in read_by_y_alone(model) if case == "reads" else ():
        expected[name] = ordinary[name]
    shared = {n for n in balanced if n not in heads}
    assert_close_gradients({n: balanced[n] for n in shared}, {n: expected[n] for n in shared})


def read_by_y_alone(model: MultiTaskModel) -> set[str]:
    """Of the case "reads": ⚑ the encoders of all modalities but the one that z reads are not shared."""
    encoders = model.fused_encoder.leaves().items()
    own = {id(p) for name, encoder in encoders if name != "table" for p in encoder.parameters()}
    assert own
    return {n for n, p in model.named_parameters() if id(p) in own}


def one_task(model: MultiTaskModel, batches: list[Batch], task: str) -> Tensor:
    """What one task adds to the weighted loss."""
    active = active_tasks(model, batches)
    losses = task_losses(model, batches, [training_features(model, b, active) for b in batches], active)
    mine = torch.tensor([t == task for t in model.tasks])
    return model.weighting(torch.where(mine, losses, losses.detach()), active)


def test_a_task_without_labels_has_no_row_in_the_gramian() -> None:
    """Trap: one that makes a Gramian singular."""
    model, batch = CASES["no label"]()
    rule = Fixed()
    balanced_loss(model, rule, batch)
    assert rule.gramian.shape == (1, 1)
    assert bool(rule.gramian > 0)
    backward(model, batch, lambda b: balanced_loss(model, PCGrad(), b))
    assert all(p.grad is None for p in model.heads["z"].parameters())


def test_the_gramian_is_that_of_the_gradients_at_the_boundary() -> None:
    model, batch = CASES["plain"]()
    rule = Fixed()
    balanced_loss(model, rule, batch)
    features = training_features(model, batch, (True, True))
    losses = task_losses(model, [batch], [features], (True, True))
    boundary = features[""].by_task["y"]
    g = torch.stack([torch.autograd.grad(x, boundary, retain_graph=True)[0].flatten() for x in losses])
    torch.testing.assert_close(rule.gramian, g @ g.T)


def surgery(g: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """Yu 2020, algorithm 1: each task over the others in its order, each as it was."""
    total = torch.zeros_like(g[0])
    for i, order in enumerate(orders):
        own = g[i].clone()
        for j in order:
            if j != i and own @ g[j] < 0:
                own = own - (own @ g[j]) / (g[j] @ g[j]) * g[j]
        total += own
    return total


@pytest.mark.parametrize("seed", range(8))
def test_pcgrad_is_the_papers_loop_in_its_random_order(seed: int) -> None:
    """Traps: a shuffle that is drawn and ignored; projecting on already projected gradients."""
    torch.manual_seed(seed)
    g = torch.randn(4, 3, dtype=torch.float64)
    torch.manual_seed(seed)
    orders = [torch.randperm(4).tolist() for _ in range(4)]
    torch.manual_seed(seed)
    weights = PCGrad().weights(g @ g.T)
    torch.testing.assert_close(weights @ g, surgery(g, orders))


def test_the_order_of_pcgrad_matters_and_is_drawn_anew() -> None:
    torch.manual_seed(0)
    g = torch.randn(4, 3, dtype=torch.float64)
    found = {tuple(PCGrad().weights(g @ g.T).tolist()) for _ in range(20)}
    assert len(found) > 1


def test_pcgrad_leaves_no_conflict_between_two_tasks() -> None:
    g = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    mixed = PCGrad().weights(g @ g.T) @ g
    assert bool((g @ mixed >= -1e-6).all())


def test_cross_stitch_has_no_boundary_and_is_refused_by_name() -> None:
    model = make_model("gated", tasks(), sharing=CrossStitch())
    with pytest.raises(TypeError, match=r"balancing 'pcgrad' .* sharing 'cross_stitch' has none"):
        Learner(model, balancing=PCGrad())
    with pytest.raises(TypeError, match=r"sharing 'cross_stitch' has none"):
        balanced_loss(model, PCGrad(), whole_batch())


def test_the_learner_balances() -> None:
    """PCGrad in training, with a task that has no label in every other batch."""
    model = make_model("gated", tasks(w=MultiLabel(2)))
    known = torch.arange(32) < 16
    batch = make_batch(
        32,
        targets={"y": torch.arange(32) % 3, "z": torch.randn(32, 1), "w": torch.ones(32, 2)},
        labelled={"z": known},
    )
    data, before = BatchDataset(batch), {n: p.detach().clone() for n, p in model.named_parameters()}
    loader = DataLoader(data, batch_size=8, collate_fn=data.collate)
    make_trainer().fit(Learner(model, balancing=PCGrad()), loader)
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert all(not torch.equal(p, before[n]) for n, p in model.named_parameters() if n.startswith("heads"))
