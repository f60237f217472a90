"""InfoNCE: pairs that are present, negatives of the batch, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.fusion import FusedEncoder, create_fusion, list_fusions
from sennit.fusion._base import FUSIONS
from sennit.tasks import Classification, InfoNCE, Learner, MultiTaskModel, create_balancing, create_sharing
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.active import active_tasks
from sennit.testing.gradients import backward
from tests.mnist_halves import (
    HALVES,
    accuracy,
    few_labels,
    in_halves,
    mnist_model,
    needs_data,
    read_mnist,
    train_few_labels,
)
from tests.parts import make_batch, make_encoders, make_model, make_view

PAIR = ("table", "series")


def make(fusion: str = "gated", **options: Any) -> MultiTaskModel:
    tasks = {"y": Classification(3), "pair": InfoNCE(*PAIR, dim=5, **options)}
    return make_model(fusion, tasks)


def loss_by_hand(first: Tensor, second: Tensor, temperature: float) -> float:
    """Eq. 4 of van den Oord et al. 2018 in both directions, in float64."""
    a, b = ([(row / row.norm()).tolist() for row in side.double()] for side in (first, second))
    total = 0.0
    for one, other in ((a, b), (b, a)):
        for i, row in enumerate(one):
            scores = [sum(p * q for p, q in zip(row, o, strict=True)) / temperature for o in other]
            total += math.log(sum(math.exp(s) for s in scores)) - scores[i]
    return total / 2 / len(a)


def test_the_loss_is_that_of_the_paper_over_the_samples_with_both_sides() -> None:
    """A wrong peer counts absent rows, which are alike, as negatives."""
    model, batch = make(temperature=0.3), make_batch(12)
    _, parts = model.loss(batch)
    both = batch.present["table"] & batch.present["series"]
    outputs = model.decode(model.features(batch, ("pair",)))["pair"].logits[both]
    assert 2 < len(outputs) < 12
    assert float(parts["pair"]) == pytest.approx(loss_by_hand(outputs[:, 0], outputs[:, 1], 0.3), abs=1e-6)


def test_absent_rows_and_the_order_reach_nothing() -> None:
    model, batch = make(), make_batch(9)
    noise = {m: x + 9 * ~batch.present[m].reshape(-1, *[1] * (x.dim() - 1)) for m, x in batch.inputs.items()}
    order = torch.randperm(9)
    expected = backward(model, batch)
    for changed in (batch.replaced(inputs=noise), batch.select(order)):
        for name, gradient in backward(model, changed).items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("pairs", [0, 1])
def test_a_batch_without_two_pairs_is_inactive(pairs: int) -> None:
    model, batch = make(), make_batch(6, missing=False)
    table = torch.arange(6) < 3
    present = {"table": table, "series": ~table | (torch.arange(6) < pairs)}
    batch = batch.replaced(present=present, all_present=False)
    assert active_tasks(model, [batch]) == (True, False)
    gradients = backward(model, batch)
    assert all(g is None or not g.any() for n, g in gradients.items() if n.startswith("heads.pair"))
    with pytest.raises(ValueError, match="a label"):
        model.loss(batch.replaced(targets={}, labelled={}, unlabelled=frozenset()))


def test_batches_of_a_step_count_by_their_pairs() -> None:
    """One of them with a single pair, which has no negative and no loss."""
    model, batch = make(), make_batch(6, missing=False)
    alone = batch.select(torch.tensor([0]))
    _, parts = model.loss([batch, alone])
    torch.testing.assert_close(parts["pair"], model.loss(batch)[1]["pair"])


def test_two_views_of_a_source() -> None:
    task = InfoNCE(views=("weak", "strong"), temperature=0.2, dim=5)
    model = make_model("gated", {"y": Classification(3), "pair": task})
    views = {"weak": make_view(8, PAIR, missing=False), "strong": make_view(8, PAIR, missing=False)}
    batch = make_batch(8).with_views(**views)
    a, b = (model.decode(model.features(batch.views[v], ("pair",)))["pair"].logits for v in views)
    assert float(model.loss(batch)[1]["pair"]) == pytest.approx(loss_by_hand(a, b, 0.2), abs=1e-6)
    rows = torch.arange(8).repeat(2)
    twice = views["weak"].select(rows).replaced(rows=rows)
    with pytest.raises(ValueError, match="one row for each sample"):
        model.loss(batch.with_views(weak=twice))


def test_a_learned_temperature_moves_within_its_range_and_does_not_decay() -> None:
    model, batch = make(learns_temperature=True, temperature=0.01), make_batch(8)
    task = model.tasks["pair"]
    model.loss(batch)[0].backward()
    assert task.log_scale.grad is not None
    with torch.no_grad():
        task.log_scale.add_(1.0)
    task.after_step()
    assert float(task.log_scale.detach().exp()) == pytest.approx(100, rel=1e-5)
    optimizer: Any = Learner(model, weight_decay=0.1).configure_optimizers()
    (group,) = (g for g in optimizer.param_groups if any(p is task.log_scale for p in g["params"]))
    assert group["weight_decay"] == 0


@pytest.mark.parametrize("fusion", list_fusions())
def test_every_fusion_keeps_the_sides_apart_or_is_refused(fusion: str) -> None:
    """Neither side may depend on the other, or the pairs would be told by what they hold of one another."""
    if FUSIONS.get(fusion).stage == "early" or FUSIONS.get(fusion).needs == "stages":
        with pytest.raises(TypeError, match=f"'pair' cannot .*{fusion}"):
            make(fusion)
        return
    model, batch = make(fusion).eval(), make_batch(4, missing=False)
    before = model.decode(model.features(batch, ("pair",)))["pair"].logits
    inputs = {**batch.inputs, "series": torch.randn_like(batch.inputs["series"])}
    after = model.decode(model.features(batch.replaced(inputs=inputs), ("pair",)))["pair"].logits
    torch.testing.assert_close(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])


def test_only_the_fusion_between_the_two_is_refused() -> None:
    inner = make_encoders(PAIR)
    fused = FusedEncoder(inner, create_fusion("mmtm", inner, embed_dim=8))
    outer = {"both": fused, "other": create_encoder("mlp", 4, embed_dim=8)}

    def build(*pair: str) -> MultiTaskModel:
        tasks = {"y": Classification(3), "pair": InfoNCE(*pair)}
        fusion = create_fusion("concat", outer, embed_dim=8)
        return MultiTaskModel(encoders=outer, fusion=fusion, tasks=tasks)

    build("table", "other")
    with pytest.raises(TypeError, match="fusion 'mmtm' exchanges"):
        build("table", "series")


def test_what_a_trunk_does_not_read_is_refused() -> None:
    tasks = {"y": Classification(3, reads=("table",)), "pair": InfoNCE(*PAIR, through="y")}
    with pytest.raises(ValueError, match=r"modalities that it reads, \('table',\)\. Found 'series'"):
        make_model("gated", tasks, sharing=create_sharing("soft_l2"))


@pytest.mark.parametrize(
    "options", [{}, {"first": "a"}, {"first": "a", "second": "a"}, {"views": ("a", "a")}]
)
def test_anything_but_two_sides_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="two modalities, or `views` two views"):
        InfoNCE(**options)


@pytest.mark.parametrize("name", ["mgda", "pcgrad"])
def test_balancing_at_the_parameters_serves_it_and_the_other_task(name: str) -> None:
    """A loss that passed no boundary would have a zero row, and MGDA would give it every weight."""
    model, batch = make(), make_batch(12)
    loss, parts = balanced_loss(model, create_balancing(name, level="parameters"), batch)
    loss.backward()
    y, pair = (float(parts[f"weight/{task}"]) for task in ("y", "pair"))
    assert (y + pair == pytest.approx(1) and 0 < pair < 0.5) if name == "mgda" else min(y, pair) > 0.99
    assert all(p.grad is not None and p.grad.any() for p in model.fused_encoder.fusion.parameters())


def test_a_batch_under_autocast_has_its_loss_in_float32() -> None:
    model = make()
    batch: Batch = make_batch(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, parts = model.loss(batch)
    assert parts["pair"].dtype == torch.float32


@needs_data
def test_halves_of_mnist_find_one_another_and_help_the_digit() -> None:
    """30 labels; three seeds on other labels and images gave .56 against .50, on average over the inputs."""
    images, digits = read_mnist("train")
    rows = few_labels(digits, 3, seed=1)
    test = in_halves(*(part[:1000] for part in read_mnist("t10k")))
    means = []
    for tasks in ({}, {"pair": InfoNCE(*HALVES)}):
        model = mnist_model(tasks, seed=1)
        train_few_labels(model, in_halves(images[rows], digits[rows]), in_halves(images[:20_000]), steps=200)
        whole_and_halves = (test, test.restrict(HALVES[:1]), test.restrict(HALVES[1:]))
        means.append(sum(accuracy(model, batch) for batch in whole_and_halves) / 3)
    sides = F.normalize(model.decode(model.features(test, ("pair",)))["pair"].logits, dim=-1)
    found = (sides[:, 0] @ sides[:, 1].T).argmax(1) == torch.arange(1000)
    assert float(found.float().mean()) > 0.05  # chance: .001
    assert means[1] > means[0] + 0.02, means
