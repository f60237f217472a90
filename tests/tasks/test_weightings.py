"""Each weighting beside its paper, in plain loops, and through the learner."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader
from torchjd import scalarization

from sennit.data import BatchDataset
from sennit.tasks import (
    Classification,
    CrossStitch,
    Learner,
    Regression,
    Weighting,
    create_balancing,
    create_weighting,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.losses import task_losses, training_features
from sennit.tasks.weighting import DWA, IMTLL, Fixed, Geometric, GradNorm, Random, RunningDeviation
from tests.parts import make_batch, make_model
from tests.tasks.training import make_trainer

ALL = (True, True, True)
SOME = (True, False, True)


def bound(weighting: Weighting, names: Sequence[str] = "abc") -> Any:
    weighting.bind({name: Classification(2) for name in names})
    return weighting


def test_fixed_weights_are_by_name_and_one_otherwise() -> None:
    weighting = bound(Fixed(weights={"c": 0.25, "a": 3.0}))
    assert weighting(torch.tensor([1.0, 10.0, 100.0]), ALL).item() == 3 + 10 + 25


def test_fixed_weights_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown task in `weights` 'speeed'. Did you mean 'speed'"):
        bound(Fixed(weights={"speeed": 1.0}), ["speed", "class"])
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"finite and 0 or more. Found"):
            Fixed(weights={"a": wrong})


@pytest.mark.parametrize(
    ("name", "options"),
    [("running_deviation", {"decay": 1.0}), ("dwa", {"temperature": 0.0}), ("gradnorm", {"lr": -1.0})],
)
def test_numbers_out_of_range_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"`{next(iter(options))}` should be .* Found"):
        create_weighting(name, **options)


def deviation(values: Sequence[float], decay: float) -> float:
    """The deviation of all values so far, each with the weight that is left of it."""
    weights: list[float] = []
    for n in range(1, len(values) + 1):
        rate = max(1 / n, 1 - decay)
        weights = [w * (1 - rate) for w in weights] + [rate]
    mean = sum(w * x for w, x in zip(weights, values, strict=True))
    spread = sum(w * (x - mean) ** 2 for w, x in zip(weights, values, strict=True))
    return math.sqrt(spread / (1 - sum(w * w for w in weights)))


def test_running_deviation_is_that_of_the_losses_own_values() -> None:
    """With one task inactive now and then; the first value is divided by itself."""
    torch.manual_seed(0)
    weighting, seen = bound(RunningDeviation(decay=0.9)), [[], [], []]
    for step in range(40):
        active = ALL if step % 3 else SOME
        losses = (torch.rand(3) * torch.tensor([1.0, 50.0, 0.01])).where(torch.tensor(active), 0)
        expected = 0.0
        for own, loss, on in zip(seen, losses.tolist(), active, strict=True):
            if on:
                own.append(loss)
                expected += 1.0 if len(own) == 1 else loss / deviation(own, 0.9)
        assert weighting(losses, active).item() == pytest.approx(expected, rel=1e-3)


def test_the_first_values_of_a_running_deviation_count_alike() -> None:
    values, weighting = [3.0, 1.0, 4.0, 1.5, 5.0], bound(RunningDeviation(), "a")
    for n, value in enumerate(values, 1):
        found = weighting(torch.tensor([value]), (True,)).item()
        assert found == pytest.approx(value / statistics.stdev(values[:n]) if n > 1 else 1.0, rel=1e-5)


def test_running_deviation_does_not_depend_on_the_scale_of_a_loss() -> None:
    one, other = bound(RunningDeviation(), "a"), bound(RunningDeviation(), "a")
    for value in (3.0, 1.0, 4.0):
        losses = torch.tensor([value])
        torch.testing.assert_close(one(losses, (True,)), other(1e4 * losses, (True,)))


def test_a_loss_that_stands_still_has_a_hundredth_of_itself_for_a_deviation() -> None:
    weighting = bound(RunningDeviation(), "a")
    found = [weighting(torch.tensor([2.0]), (True,)).item() for _ in range(3)]
    assert found == pytest.approx([1, 100, 100])


def test_no_gradient_flows_into_the_deviation() -> None:
    weighting = bound(RunningDeviation(), "a")
    weighting(torch.tensor([1.0]), (True,))
    loss = torch.tensor([3.0], requires_grad=True)
    weighting(loss, (True,)).backward()
    assert loss.grad.item() == pytest.approx(1 / statistics.stdev([1, 3]))


def test_dwa_is_the_papers_softmax_of_ratios_of_epoch_means() -> None:
    weighting, means = bound(DWA(temperature=1.5)), []
    for epoch in range(5):
        weighting.on_epoch_start(epoch)
        seen = []
        for _ in range(3):
            losses = torch.rand(3) + 0.1
            seen.append(losses.tolist())
            rates = [1.0] * 3 if epoch < 2 else [a / b for a, b in zip(means[-1], means[-2], strict=True)]
            powers = [math.exp(r / 1.5) for r in rates]
            expected = sum(3 * p / sum(powers) * x for p, x in zip(powers, seen[-1], strict=True))
            assert weighting(losses, ALL).item() == pytest.approx(expected, rel=1e-5)
        means.append([statistics.mean(column) for column in zip(*seen, strict=True)])


def test_dwa_averages_a_task_over_the_batches_in_which_it_was_active() -> None:
    weighting = bound(DWA())
    for epoch, value in enumerate((4.0, 2.0, 1.0)):
        weighting.on_epoch_start(epoch)
        weighting(torch.tensor([1.0, value, 1.0]), ALL)
        weighting(torch.tensor([1.0, 0.0, 1.0]), SOME)
    assert weighting.rates.tolist() == [1, 0.5, 1]
    weighting.on_epoch_start(3)
    weighting(torch.tensor([1.0, 0.0, 1.0]), SOME)
    weighting.on_epoch_start(4)  # it was never active in epoch 3
    assert weighting.rates.tolist() == [1, 0.5, 1]
    assert weighting.weights(SOME).tolist() == [1, 0, 1]


def test_dwa_told_twice_of_an_epoch_counts_it_once() -> None:
    weighting = bound(DWA())
    for epoch in (0, 0, 1, 1, 2):
        weighting.on_epoch_start(epoch)
        weighting(torch.tensor([1.0, 2.0, 3.0]) / (epoch + 1), ALL)
    torch.testing.assert_close(weighting.rates, torch.full((3,), 0.5))


def test_random_weights_are_torchjds_of_the_same_draw() -> None:
    losses = torch.rand(3)
    for seed in range(3):
        torch.manual_seed(seed)
        ours = Random()(losses, ALL)
        torch.manual_seed(seed)
        torch.testing.assert_close(ours, scalarization.Random()(losses))


def test_random_weights_of_the_active_tasks_have_sum_one() -> None:
    losses = torch.tensor([1.0, 0.0, 1.0], requires_grad=True)
    draws = []
    for _ in range(300):
        weighted = Random()(losses, SOME)
        assert weighted.item() == pytest.approx(1)
        draws.append(torch.autograd.grad(weighted, losses)[0])
    assert bool((torch.stack(draws).mean(0) - torch.tensor([0.5, 0.0, 0.5])).abs().max() < 0.05)


def test_geometric_is_the_nth_root_of_the_product_of_the_active() -> None:
    assert Geometric()(torch.tensor([2.0, 4.0, 27.0]), ALL).item() == pytest.approx(216 ** (1 / 3))
    assert Geometric()(torch.tensor([2.0, 0.0, 8.0]), SOME).item() == pytest.approx(4)


def test_a_loss_of_zero_gives_a_geometric_mean_no_nan() -> None:
    losses = torch.tensor([0.0, 4.0], requires_grad=True)
    total = Geometric()(losses, (True, True))
    total.backward()
    assert total.item() == pytest.approx(2e-4)
    assert losses.grad.tolist() == pytest.approx([0, 2e-4 / 8])
    theirs = losses.detach().requires_grad_()
    scalarization.GeometricMean()(theirs).backward()
    assert bool(theirs.grad.isnan().any())  # why it is not torchjd's


def test_imtl_l_is_torchjds_and_best_where_scaled_losses_are_one() -> None:
    weighting, theirs, losses = bound(IMTLL()), scalarization.IMTLL(3), torch.tensor([0.5, 2.0, 10.0])
    with torch.no_grad():
        theirs.log_scale.copy_(torch.tensor([0.3, -1.0, 2.0]))
        for s, value in zip(weighting.log_scales, theirs.log_scale, strict=True):
            s.copy_(value)
    torch.testing.assert_close(weighting(losses, ALL), theirs(losses))
    assert weighting(losses, ALL).item() == pytest.approx(
        sum(math.exp(s) * x - s for s, x in zip((0.3, -1.0, 2.0), losses.tolist(), strict=True)), rel=1e-6
    )
    with torch.no_grad():
        for s, x in zip(weighting.log_scales, losses, strict=True):
            s.copy_(-x.log())
    weighting(losses, ALL).backward()
    assert [s.grad.item() for s in weighting.log_scales] == pytest.approx([0, 0, 0], abs=1e-6)


@pytest.mark.parametrize("name", ["imtl_l", "uncertainty"])
def test_an_inactive_task_is_moved_by_no_momentum(name: str) -> None:
    weighting = bound(create_weighting(name))
    optimizer = torch.optim.AdamW(weighting.parameters(), lr=0.1)
    for active in (ALL, ALL, SOME):
        before = [p.item() for p in weighting.parameters()]
        optimizer.zero_grad()
        weighting(torch.tensor([2.0, 3.0 * active[1], 4.0]), active).backward()
        optimizer.step()
        moved = [p.item() != b for p, b in zip(weighting.parameters(), before, strict=True)]
        assert moved == list(active)


def test_gradnorm_is_algorithm_1_by_automatic_differentiation() -> None:
    """Targets detached, Adam's step on the weights, renormalised to the number of tasks."""
    torch.manual_seed(0)
    ours, w = bound(GradNorm(alpha=0.7, lr=0.05)), torch.ones(3, requires_grad=True)
    optimizer, first = torch.optim.Adam([w], lr=0.05), None
    for _ in range(12):
        h, scale = torch.rand(5, requires_grad=True), torch.tensor([0.1, 1.0, 20.0])
        losses = torch.stack([s * (h - k).square().mean() for k, s in enumerate(scale)])
        torch.testing.assert_close(ours(losses, ALL), (w * losses).sum(), rtol=1e-4, atol=1e-4)
        ours.at_boundary(losses, ALL, [[h], [h], [h]])
        first = losses.detach() if first is None else first
        norms = torch.stack(
            [torch.autograd.grad(w[k] * losses[k], h, create_graph=True)[0].norm() for k in range(3)]
        )
        ratio = losses.detach() / first
        target = (norms.mean() * (ratio / ratio.mean()) ** 0.7).detach()
        (w.grad,) = torch.autograd.grad((norms - target).abs().sum(), w)
        optimizer.step()
        with torch.no_grad():
            w.mul_(3 / w.sum())
        torch.testing.assert_close(ours.weights, w.detach(), rtol=1e-4, atol=1e-5)
    assert ours.weights[0] > 1.2 > 0.8 > ours.weights[2]


def test_gradnorm_leaves_an_inactive_task_out_of_all_means() -> None:
    three, two = bound(GradNorm(lr=0.1)), bound(GradNorm(lr=0.1), "ac")
    for _ in range(4):
        h = torch.rand(4, requires_grad=True)
        losses = torch.stack([h.sum(), 0 * h.sum(), (3 * h).square().sum()])
        three.at_boundary(losses, SOME, [[h], [], [h]])
        two.at_boundary(losses[[0, 2]], (True, True), [[h], [h]])
        torch.testing.assert_close(three.weights[[0, 2]], two.weights)
    assert three.weights[1] == 1
    assert three.weights.sum().item() == pytest.approx(3)


def tasks() -> dict[str, Any]:
    return {"y": Classification(3), "z": Regression()}


def test_gradnorm_sees_the_gradients_at_the_boundary_with_and_without_balancing() -> None:
    """The same step of the weights from the one tensor that the tasks share, and from a copy for each."""
    models = [make_model("central_net", tasks(), weighting=GradNorm(lr=0.1)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    batch = make_batch(8, targets={"y": torch.arange(8) % 3, "z": 5 * torch.randn(8, 1)})
    seen = []
    for model, balancing in zip(models, (None, create_balancing("mgda")), strict=True):
        loss = model.loss(batch)[0] if balancing is None else balanced_loss(model, balancing, batch)[0]
        loss.backward()
        seen.append(model.weighting.state_dict())
    for name, value in seen[0].items():
        torch.testing.assert_close(value, seen[1][name])
    assert bool((seen[0]["weights"] != 1).all())
    features = training_features(models[0], batch, (True, True))
    losses = task_losses(models[0], [batch], [features], (True, True))
    read = [[features[""].by_task[t], *features[""].auxiliary[t].values()] for t in models[0].tasks]
    norms = [
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, own, retain_graph=True)]).norm()
        for loss, own in zip(losses, read, strict=True)
    ]
    # Adam's first moment, after one step: a tenth of the gradient, ± the norms.
    torch.testing.assert_close(seen[0]["mean"].abs(), 0.1 * torch.stack(norms), rtol=1e-4, atol=1e-6)


def test_gradnorm_stands_still_in_evaluation_and_without_gradients() -> None:
    model = make_model("gated", tasks(), weighting=GradNorm())
    batch = make_batch(8, targets={"y": torch.arange(8) % 3, "z": torch.randn(8, 1)})
    with torch.no_grad():
        model.loss(batch)
    model.eval().loss(batch)
    assert bool((model.weighting.weights == 1).all())
    model.train().loss(batch)
    assert bool((model.weighting.weights != 1).any())


def test_gradnorm_takes_the_features_of_each_task_where_nothing_is_common() -> None:
    model = make_model("gated", tasks(), sharing=CrossStitch(), weighting=GradNorm())
    batch = make_batch(8, targets={"y": torch.arange(8) % 3, "z": torch.randn(8, 1)})
    model.loss(batch)[0].backward()
    assert bool((model.weighting.weights != 1).all())


def learner(weighting: str, balancing: str | None) -> Learner:
    torch.manual_seed(0)
    model = make_model("gated", tasks(), weighting=create_weighting(weighting))
    return Learner(model, lr=0.01, balancing=None if balancing is None else create_balancing(balancing))


def loader() -> DataLoader[Any]:
    torch.manual_seed(1)
    targets = {"y": torch.arange(24) % 3, "z": torch.randn(24, 1)}
    data = BatchDataset(make_batch(24, targets=targets, labelled={"z": torch.arange(24) < 16}, missing=False))
    return DataLoader(data, batch_size=8, collate_fn=data.collate)


@pytest.mark.parametrize(
    ("weighting", "balancing"),
    [("dwa", None), ("gradnorm", None), ("running_deviation", "gradvac")],
)
def test_training_resumes_exactly(weighting: str, balancing: str | None, tmp_path: Any) -> None:
    """With a task that has no label in the last batch of each epoch."""
    straight, first, resumed = (learner(weighting, balancing) for _ in range(3))
    make_trainer(max_epochs=4).fit(straight, loader())
    trainer = make_trainer(max_epochs=2)
    trainer.fit(first, loader())
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    make_trainer(max_epochs=4).fit(resumed, loader(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    for name, value in straight.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0, msg=name)
    kept = {k: v for k, v in straight.state_dict().items() if k.startswith(("model.weighting", "balancing"))}
    assert all(bool((v != 0).any()) for v in kept.values())


def test_the_learner_tells_dwa_of_epochs() -> None:
    trained = learner("dwa", None)
    make_trainer(max_epochs=3).fit(trained, loader())
    rates = trained.model.weighting.rates
    assert bool((rates > 0).all())
    assert bool((rates != 1).all())


def test_a_run_goes_on_with_the_options_of_its_balancing(tmp_path: Any) -> None:
    first, other = learner("equal", "cagrad"), learner("equal", None)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(first, loader())
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    other = Learner(first.model, lr=0.01, balancing=create_balancing("cagrad", c=0.2))
    with pytest.raises(ValueError, match=r"Found balancing=.*'c': 0.2.*'c': 0.4"):
        make_trainer(max_epochs=2).fit(other, loader(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
