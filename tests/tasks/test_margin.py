"""Softmax with margins, and triplets, against loops written from the papers and against a peer."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sennit.data import Batch
from sennit.tasks import AAMSoftmax, AMSoftmax, Classification, MultiTaskModel, Triplet
from sennit.tasks.metric._margin import MarginSoftmax
from tests.parts import make_model

SIZES = {"classes": st.integers(2, 6), "seed": st.integers(0, 99)}


def loop(cosines: Tensor, target: Tensor, kind: str, margin: float, scale: float) -> list[float]:
    """Equation 6 of Wang et al. 2018, equation 3 of Deng et al. 2019, in float64."""
    losses = []
    for row, y in zip(cosines.double().tolist(), target.tolist(), strict=True):
        if kind == "am":
            own = row[y] - margin
        else:
            angle = math.acos(row[y])
            own = math.cos(angle + margin)
            if angle + margin > math.pi:
                own = row[y] - margin * math.sin(margin)
        others = [math.exp(scale * c) for j, c in enumerate(row) if j != y]
        losses.append(-math.log(math.exp(scale * own) / (math.exp(scale * own) + sum(others))))
    return losses


@settings(max_examples=30, deadline=None)
@given(margin=st.floats(0, 1.5), scale=st.floats(0.5, 20), kind=st.sampled_from(["am", "aam"]), **SIZES)
def test_the_loss_is_the_papers(kind: str, margin: float, scale: float, classes: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    cosines = 2 * torch.rand(8, classes, generator=random) - 1
    target = torch.randint(classes, (8,), generator=random)
    task = (AMSoftmax if kind == "am" else AAMSoftmax)(classes, margin=margin, scale=scale)
    expected = torch.tensor(loop(cosines, target, kind, margin, scale))
    torch.testing.assert_close(task.loss(cosines, target), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["am", "aam"])
def test_the_loss_and_its_gradient_are_those_of_pytorch_metric_learning(kind: str) -> None:
    from pytorch_metric_learning.losses import ArcFaceLoss, CosFaceLoss
    from pytorch_metric_learning.reducers import DoNothingReducer

    ours = AMSoftmax(5, margin=0.35, scale=16) if kind == "am" else AAMSoftmax(5, margin=0.5, scale=16)
    head = ours.build_head(7)
    margin = 0.35 if kind == "am" else math.degrees(0.5)  # theirs is in degrees
    make = CosFaceLoss if kind == "am" else ArcFaceLoss
    peer = make(5, 7, margin=margin, scale=16, reducer=DoNothingReducer())
    peer.W.data.copy_(head.weight.data.T)
    x, target = torch.randn(12, 7, requires_grad=True), torch.arange(12) % 5
    theirs = peer(x, target)["loss"]["losses"]
    (expected,) = torch.autograd.grad(theirs.sum(), x)
    own = ours.loss(head(x), target)
    torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.autograd.grad(own.sum(), x)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", [AMSoftmax(3), AAMSoftmax(3, margin=0.5)], ids=["am", "aam"])
def test_values_and_gradients_stay_finite_at_the_ends_of_the_cosine(task: MarginSoftmax) -> None:
    head = task.build_head(4)
    x = torch.cat([head.weight.detach(), -head.weight.detach(), torch.zeros(1, 4)]).requires_grad_()
    loss = task.loss(head(x), torch.tensor([0, 1, 2, 0, 1, 2, 0]))
    loss.sum().backward()
    assert bool(loss.isfinite().all())
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())
    assert bool(head.weight.grad.isfinite().all())


@pytest.mark.parametrize("margin", [0.2, 0.8, math.pi / 2])
def test_a_wider_angle_to_the_true_class_costs_more_on_the_whole_half_circle(margin: float) -> None:
    angles = torch.linspace(0, math.pi, 500)
    cosines = torch.stack([angles.cos(), torch.zeros(500)], 1)
    loss = AAMSoftmax(2, margin=margin, scale=5).loss(cosines, torch.zeros(500, dtype=torch.long))
    assert bool((loss.diff() >= -1e-6).all())


@pytest.mark.parametrize("cls", [AMSoftmax, AAMSoftmax])
def test_without_a_margin_it_is_the_cross_entropy_of_scaled_cosines(cls: type[MarginSoftmax]) -> None:
    cosines, target = 2 * torch.rand(9, 4) - 1, torch.arange(9) % 4
    expected = F.cross_entropy(8 * cosines, target, reduction="none")
    torch.testing.assert_close(cls(4, margin=0.0, scale=8.0).loss(cosines, target), expected)


def test_cosines_keep_float32_under_autocast_and_for_a_cast_head() -> None:
    task, x = AAMSoftmax(3), torch.randn(6, 5)
    head = task.build_head(5)
    expected = head(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = head(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    assert head.bfloat16()(x.bfloat16()).dtype == torch.float32


def test_the_margin_rises_linearly_with_the_epochs() -> None:
    task, margins = AAMSoftmax(3, margin=0.4, warmup_epochs=4), []
    for epoch in range(6):
        task.on_epoch_start(epoch)
        margins.append(float(task.current_margin))
    assert margins == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.4])
    assert float(AAMSoftmax(3, margin=0.4).current_margin) == pytest.approx(0.4)


def test_a_task_that_goes_on_in_mid_epoch_has_the_margin_that_it_had() -> None:
    one, other = (AMSoftmax(3, margin=0.4, warmup_epochs=4) for _ in range(2))
    one.on_epoch_start(3)
    other.load_state_dict(one.state_dict(), strict=True)
    cosines, target = torch.rand(4, 3), torch.arange(4) % 3
    assert torch.equal(one.loss(cosines, target), other.loss(cosines, target))


def test_a_larger_margin_takes_over_a_trained_model_at_its_first_epoch() -> None:
    """Large-margin fine-tuning: a second model of the same weights."""
    first = make_model(tasks={"y": AAMSoftmax(3, margin=0.2)})
    second = make_model(tasks={"y": AAMSoftmax(3, margin=0.5)})
    second.load_state_dict(first.state_dict(), strict=True)
    second.tasks["y"].on_epoch_start(0)
    assert float(second.tasks["y"].current_margin) == pytest.approx(0.5)


@pytest.mark.parametrize("cls", [AMSoftmax, AAMSoftmax])
def test_margins_are_compiled_into_one_graph_whatever_their_value(cls: type[MarginSoftmax]) -> None:
    task = cls(3, margin=0.4, warmup_epochs=2)
    graphs = 0

    def count(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        nonlocal graphs
        graphs += 1
        return graph

    torch._dynamo.reset()
    margin = torch.compile(task.with_margin, backend=count, fullgraph=True)
    for epoch in range(3):
        task.on_epoch_start(epoch)
        x = 2 * torch.rand(5, 1) - 1
        torch.testing.assert_close(margin(x, task.current_margin), task.with_margin(x, task.current_margin))
    assert graphs == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AAMSoftmax(3, margin=28.6), r"from 0 to π/2 radians. Found 28.6. Is it in degrees\?"),
        (lambda: AMSoftmax(3, margin=2.0), "`margin` should be from 0 to less than 2"),
        (lambda: AMSoftmax(3, scale=0.0), "`scale` should be more than 0"),
        (lambda: AMSoftmax(3, warmup_epochs=-1), "`warmup_epochs` should be 0 or more"),
        (lambda: AMSoftmax(1), "two classes or more"),
        (lambda: AMSoftmax(3).loss(torch.zeros(1, 3), torch.tensor([3])), "from 0 to 2. Found 3 to 3"),
        (lambda: Triplet(0), "`size` should be 1 or more"),
        (lambda: Triplet(margin=0.0), "`margin` should be more than 0"),
    ],
)
def test_refusals(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]


def triplet_loop(x: Tensor, target: Tensor, margin: float) -> list[float]:
    """Equation 2 of Schroff et al. 2015 over the semi-hard triplets of §3.2, in float64."""
    rows = F.normalize(x.double(), dim=1)
    losses = []
    for a in range(len(rows)):
        own = []
        for p in range(len(rows)):
            for n in range(len(rows)):
                if p == a or target[p] != target[a] or target[n] == target[a]:
                    continue
                near, far = (float((rows[a] - rows[i]).square().sum()) for i in (p, n))
                if near < far <= near + margin:
                    own.append(margin + near - far)
        losses.append(sum(own) / len(own) if own else 0.0)
    return losses


@settings(max_examples=20, deadline=None)
@given(margin=st.floats(0.05, 2), size=st.integers(2, 12), **SIZES)
def test_the_triplet_loss_is_the_papers(margin: float, size: int, classes: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    x, target = torch.randn(size, 3, generator=random), torch.randint(classes, (size,), generator=random)
    expected = torch.tensor(triplet_loop(x, target, margin))
    torch.testing.assert_close(Triplet(3, margin=margin).loss(x, target), expected, rtol=1e-4, atol=1e-4)


def test_no_tensor_of_the_triplet_loss_grows_faster_than_the_pairs() -> None:
    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            sizes.extend(x.numel() for x in tree_leaves(result) if isinstance(x, Tensor))
            return result

    sizes: list[int] = []
    x = torch.randn(60, 4, requires_grad=True)
    with Sizes():
        Triplet(4, margin=1.0).loss(x, torch.arange(60) % 2).sum().backward()
    assert max(sizes) <= 60 * 61


def test_without_a_triplet_the_loss_is_zero_with_a_gradient_of_zero() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    loss = Triplet(3).loss(x, torch.arange(4))
    loss.sum().backward()
    assert loss.tolist() == [0.0] * 4
    assert x.grad is not None
    assert not bool(x.grad.any())


def test_a_sample_without_a_label_is_in_no_triplet() -> None:
    model: MultiTaskModel = make_model(tasks={"voice": Triplet(4, margin=1.0)}).eval()
    inputs = {m: torch.randn(8, *s.absent_shape()) for m, s in model.fused_encoder.input_specs.items()}
    target, known = torch.arange(8) % 2, torch.arange(8) < 5
    whole = Batch.of(inputs, targets={"voice": target}, labelled={"voice": known})
    alone = Batch.of({m: x[:5] for m, x in inputs.items()}, targets={"voice": target[:5]})
    loss, expected = model.loss(whole)[0], model.loss(alone)[0]
    assert float(expected.detach()) > 0
    torch.testing.assert_close(loss, expected)


def test_recall_at_1_of_separate_and_of_mixed_classes() -> None:
    task, target = Triplet(2), torch.tensor([0, 0, 1, 1])
    known = torch.ones(4, dtype=torch.bool)
    apart = torch.tensor([[1.0, 0.0], [3.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    assert task.score(apart, target, known) == 1.0
    assert task.score(apart, torch.tensor([0, 1, 0, 1]), known) == 0.0
    metrics = task.metrics()
    for rows in (slice(0, 2), slice(2, 4)):
        task.update_metrics(metrics, apart[rows], target[rows], known[rows])
    assert float(metrics.compute()["recall_at_1"]) == 1.0


def test_predictions_are_names_and_embeddings_of_length_1() -> None:
    answer = AAMSoftmax(["anna", "ben"]).predict(torch.tensor([[0.9, 0.1]]))[0]
    assert answer["label"] == "anna"
    assert answer["probabilities"]["anna"] > 0.99
    assert Triplet(2).predict(torch.tensor([[3.0, 4.0]]))[0]["embedding"] == pytest.approx([0.6, 0.8])


def test_margins_train_a_model_as_well_as_a_plain_classification() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(60, 3), torch.arange(60) % 3
    x[torch.arange(60), y] += 4
    for task in (Classification(3), AMSoftmax(3), AAMSoftmax(3, warmup_epochs=1), Triplet(2, margin=0.5)):
        head = task.build_head(3)
        optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
        for epoch in range(60):
            if isinstance(task, MarginSoftmax):
                task.on_epoch_start(epoch // 30)
            optimizer.zero_grad()
            task.loss(head(x), y).mean().backward()
            optimizer.step()
        assert task.score(head(x).detach(), y, torch.ones(60, dtype=torch.bool)) > 0.9, task.kind


def test_under_a_decision_fusion_the_cosines_of_the_candidates_are_averaged() -> None:
    model = make_model(fusion="mean_probability", tasks={"y": AAMSoftmax(3, margin=0.2)}).eval()
    inputs = {m: torch.randn(6, *s.absent_shape()) for m, s in model.fused_encoder.input_specs.items()}
    batch = Batch.of(inputs, targets={"y": torch.arange(6) % 3})
    out = model(batch)["y"]
    assert out.candidates is not None
    torch.testing.assert_close(out.logits, out.candidates.mean(1))
    assert bool(out.logits.abs().max() <= 1)
    expected = model.tasks["y"].loss(out.logits, batch.targets["y"]).mean()
    torch.testing.assert_close(model.loss(batch)[0], expected)
