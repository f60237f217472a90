"""What tasks, sharings, weightings and balancings owe, as plain functions that raise AssertionError."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import torch
from sennit.fusion import MeanProbabilityRule, MultiplicativeRule
from sennit.tasks import Balancing, MultiTaskModel, Task, Weighting
from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry


def check_config_round_trip(part: Configurable, registry: Registry) -> Configurable:
    """``config`` survives JSON and makes the same part again."""
    again = registry.build(json.loads(json.dumps(part.config)))
    assert type(again) is type(part)
    assert again.config == json.loads(json.dumps(part.config))
    return again


def check_loss_is_per_sample(task: Task, target: Tensor) -> None:
    """One loss a sample (or an entry of its target), each of its own output and target alone."""
    output = torch.randn(len(target), task.out_dim)
    losses = task.loss(output, target)
    assert losses.shape in (target.shape[:1], target.shape)
    assert losses.dtype == torch.float32
    assert bool(losses.isfinite().all())
    assert bool((losses >= 0).all())
    if task.batchwise:
        order = torch.randperm(len(target))
        torch.testing.assert_close(task.loss(output[order], target[order]), losses[order])
    for i in range(0 if task.batchwise else len(target)):
        torch.testing.assert_close(task.loss(output[i : i + 1], target[i : i + 1])[0], losses[i])
    half = task.loss(output.bfloat16(), target)
    assert half.dtype == torch.float32, "losses are computed in fp32"


def check_gradient_to_every_parameter_of_the_head(task: Task, target: Tensor) -> None:
    head = task.build_head(5)
    task.loss(head(torch.randn(len(target), 5)), target).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in head.parameters())


def check_one_candidate_decides_alone(task: Task, target: Tensor) -> None:
    """With one candidate, the loss under a decision rule is the task's own."""
    output = torch.randn(len(target), 1, task.out_dim)
    log_p = task.log_probabilities(output)
    if log_p is None:
        return
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(log_p.shape[:-1]))
    present = torch.ones(len(target), 1, dtype=torch.bool)
    for rule in (MeanProbabilityRule(), MultiplicativeRule(beta=0.5)):
        loss = task.expected_cost(rule.cost(log_p, present), target)
        torch.testing.assert_close(loss, task.loss(output[:, 0], target))


def check_metrics_and_predictions(task: Task, target: Tensor) -> None:
    """Metrics take scores and targets of labelled samples; a prediction is plain JSON for each sample."""
    logits, known = torch.randn(len(target), task.out_dim), torch.ones(len(target), dtype=torch.bool)
    metrics = task.metrics()
    task.update_metrics(metrics, logits, target, known)
    assert all(bool(v.isfinite().all()) for v in metrics.compute().values())
    answers = task.predict(logits)
    assert len(answers) == len(target)
    assert json.dumps(answers)
    unlabelled = task.metrics()
    rows = torch.arange(len(target)) < len(target) // 2
    spoiled = torch.where(rows.reshape(-1, *[1] * (target.dim() - 1)), target, torch.zeros_like(target) - 7)
    task.update_metrics(unlabelled, logits, spoiled, rows)
    alone = task.metrics()
    task.update_metrics(alone, logits[rows], target[rows], rows[rows])
    for name, value in alone.compute().items():
        torch.testing.assert_close(unlabelled.compute()[name], value)


def check_weighting(make: Callable[[], Weighting], tasks: Mapping[str, Task]) -> None:
    """A finite scalar that every active task's loss pulls on; nothing of an inactive task moves."""
    active, states = (True, False, True), []
    for after in (0.0, 1e6):  # what stands for the inactive task in the second look
        torch.manual_seed(0)
        weighting = make()
        weighting.bind(tasks)
        start = {k: v.clone() for k, v in weighting.state_dict().items()}
        # The last active loss is zero.
        for epoch, values in enumerate(([1.5, 0.0, 0.5], [1.0, 0.0, 0.25], [1.2, 0.0, 0.0])):
            h = torch.tensor(values, requires_grad=True)
            losses = 1.0 * h
            total = weighting(losses, active)
            assert total.shape == ()
            assert bool(total.isfinite())
            total.backward(retain_graph=True)
            assert bool((h.grad[[0, 2]] > 0).all()) or values[2] == 0
            assert bool(h.grad.isfinite().all())
            assert all(p.grad is None or bool(p.grad.isfinite()) for p in weighting.parameters())
            if weighting.reads_boundary:
                weighting.at_boundary(losses, active, [[h], [], [h]])
            weighting.after_step(torch.tensor([1.0, after, 0.4]), active)
            weighting.on_epoch_start(epoch)
        states.append({k: v.clone() for k, v in weighting.state_dict().items()})
        for name, value in states[-1].items():
            if value.shape == (len(tasks),):
                assert torch.equal(value[1], start[name][1]), name
        assert [p.grad is None for p in weighting.parameters()] in ([], [False, True, False])
    assert all(torch.equal(v, states[1][k]) for k, v in states[0].items())


def check_weighting_keeps_still_in_evaluation(
    make: Callable[[], Weighting], tasks: Mapping[str, Task]
) -> None:
    weighting = make()
    weighting.bind(tasks)
    before = {k: v.clone() for k, v in weighting.state_dict().items()}
    weighting.eval()(torch.rand(len(tasks)) + 1, (True,) * len(tasks))
    assert all(torch.equal(v, before[k]) for k, v in weighting.state_dict().items())


def check_weighting_state_round_trip(make: Callable[[], Weighting], tasks: Mapping[str, Task]) -> None:
    """A weighting that takes up another's state goes on as that one would have."""
    one, other, everything = make(), make(), (True,) * len(tasks)

    def step(weighting: Weighting, seed: int) -> Tensor:
        torch.manual_seed(seed)
        h = torch.rand(len(tasks)).requires_grad_()
        losses = 3 * h.square() + 1
        weighting.on_epoch_start(seed // 2)
        total = weighting(losses, everything)
        if weighting.reads_boundary:
            weighting.at_boundary(losses, everything, [[h]] * len(tasks))
        weighting.after_step(torch.rand(len(tasks)) + 0.5, everything)
        return total

    for weighting in (one, other):
        weighting.bind(tasks)
    for seed in range(5):
        step(one, seed)
    other.load_state_dict(one.state_dict(), strict=True)
    for seed in range(5, 9):
        assert torch.equal(step(one, seed), step(other, seed))


def check_weighting_outlives_a_loss_that_is_not_finite(
    make: Callable[[], Weighting], tasks: Mapping[str, Task]
) -> None:
    """A gradient scaler leaves out the step of such a loss; what a weighting keeps is as good as before."""
    weighting, everything = make(), (True,) * len(tasks)
    weighting.bind(tasks)
    for step, value in enumerate((1.0, torch.nan, 1.0, torch.inf, 1.0, 1.0)):
        weighting.on_epoch_start(step)
        h = torch.rand(len(tasks)).requires_grad_()
        losses = (h.square() + 1) * torch.tensor([value] + [1.0] * (len(tasks) - 1))
        total = weighting(losses, everything)
        if weighting.reads_boundary:
            weighting.at_boundary(losses, everything, [[h]] * len(tasks))
        weighting.after_step(0.5 * losses.detach(), everything)
    assert bool(total.isfinite())
    for name, kept in weighting.state_dict().items():
        assert bool(kept.isfinite().all()), name


def check_balancing(make: Callable[[], Balancing]) -> None:
    """Finite weights of any Gramian, on its device and in its dtype, and nothing to differentiate."""
    for size in (2, 4):
        g, opposed = (
            torch.randn(size, 6),
            torch.randn(1, 6) * torch.tensor([1.0, -1.0, 2.0, -3.0])[:size, None],
        )
        one_zero = torch.cat([torch.zeros(1, 6), g[1:]])
        for rows in (
            g,
            opposed,
            one_zero,
            g[:1].expand(size, 6),
            torch.zeros(size, 6),
            g * torch.eye(size, 6),
        ):
            for scale in (1.0, 1e-17, 1e17, 1e-25):  # of the last the products underflow
                gramian = (rows * scale) @ (rows * scale).T
                weights = bound(make, size).weights(gramian.requires_grad_())
                assert weights.shape == (size,)
                assert weights.dtype == gramian.dtype
                assert not weights.requires_grad
                assert bool(weights.isfinite().all()), (rows, scale, weights)
        # Of unlike lengths: in single precision the small one's products are lost beside the others'.
        uneven = g * torch.logspace(-9, 9, size)[:, None]
        assert bool(bound(make, size).weights(uneven @ uneven.T).isfinite().all())
        underflown = torch.eye(size) - torch.tensor(
            [[0.0] * size, [1e-30] * size, *[[0.0] * size] * (size - 2)]
        )
        underflown[1, 1] = 0
        assert bool(bound(make, size).weights(underflown).isfinite().all())
    torch.testing.assert_close(bound(make, 1).weights(torch.tensor([[3.0]])), torch.ones(1))
    spoilt = torch.tensor([[1.0, torch.inf], [torch.inf, torch.nan]])
    assert bound(make, 2).weights(spoilt).tolist() == [1, 1]


def check_balancing_directions(make: Callable[[], Balancing]) -> None:
    """The direction depends neither on the order of the tasks nor on the scale of all gradients."""
    for size in (2, 4, 5):
        rule = bound(make, size)
        g = torch.randn(size, 4, dtype=torch.float64)  # five are dependent
        before = torch.get_rng_state()
        direction = rule.weights(g @ g.T) @ g
        if size > 2 and not torch.equal(before, torch.get_rng_state()):
            continue  # random orders
        order = torch.randperm(size)
        turned = bound(make, size).weights(g[order] @ g[order].T) @ g[order]
        torch.testing.assert_close(turned, direction, rtol=1e-6, atol=1e-8)
        scaled = bound(make, size).weights(1e12 * g @ g.T) @ g
        torch.testing.assert_close(scaled / scaled.norm(), direction / direction.norm(), rtol=1e-6, atol=1e-8)
        if size < 5:
            alone = bound(make, size).weights(g[order] @ g[order].T)
            torch.testing.assert_close(alone, bound(make, size).weights(g @ g.T)[order], rtol=1e-6, atol=1e-8)


def check_balancing_state_round_trip(make: Callable[[], Balancing]) -> None:
    """A rule that takes up another's state goes on as that one would have; so with tasks inactive."""
    one, other = bound(make, 3), bound(make, 3)
    patterns = [(True, True, True), (True, False, True), (False, True, True)]
    steps = [(torch.randn(sum(active), 5), active) for active in patterns * 2]
    for g, active in steps[:3]:
        one.weights_of(g @ g.T, active)
    other.load_state_dict(one.state_dict(), strict=True)
    for g, active in steps[3:]:
        state = torch.get_rng_state()
        expected = one.weights_of(g @ g.T, active)
        torch.set_rng_state(state)
        assert torch.equal(other.weights_of(g @ g.T, active), expected)


def bound(make: Callable[[], Balancing], size: int) -> Balancing:
    rule = make()
    rule.bind([f"t{k}" for k in range(size)])
    return rule


def gradients(model: nn.Module) -> dict[str, Tensor | None]:
    return {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}


def assert_close_gradients(one: Mapping[str, Tensor | None], other: Mapping[str, Tensor | None]) -> None:
    for name, a in one.items():
        b = other[name]
        assert (a is None) == (b is None), name
        if a is not None:
            torch.testing.assert_close(a, b, msg=lambda m, name=name: f"{name}: {m}")


def backward(model: MultiTaskModel, batch: object, loss: Callable | None = None) -> dict[str, Tensor | None]:
    """The gradients of a batch, by the model's own loss or another."""
    model.zero_grad()
    total = model.loss(batch)[0] if loss is None else loss(batch)[0]  # type: ignore[arg-type]
    total.backward()
    return gradients(model)
