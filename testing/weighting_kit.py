"""Contract of a weighting, as plain functions that raise AssertionError."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sennit.tasks import Task, Weighting

Make = Callable[[], Weighting]


def check_weighting(make: Make, tasks: Mapping[str, Task]) -> None:
    """Hold a weighting to the whole contract.

    Args:
        make: Function that makes a new weighting, not yet bound.
        tasks: Three tasks by name.

    Example:
        >>> from sennit.tasks import Classification, Regression, create_weighting
        >>> tasks = {"a": Classification(3), "b": Regression(), "c": Regression()}
        >>> check_weighting(lambda: create_weighting("uncertainty"), tasks)
    """
    check_inactive_tasks_stay(make, tasks)
    check_evaluation_changes_nothing(make, tasks)
    check_weighting_state_round_trip(make, tasks)
    check_losses_that_are_not_finite(make, tasks)


def check_inactive_tasks_stay(make: Make, tasks: Mapping[str, Task]) -> None:
    """Check for a finite scalar that every active task pulls on, and that an inactive task moves nothing."""
    active, states = (True, False, True), []
    for after in (0.0, 1e6):  # the inactive task's value at the recheck
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
            torch.autograd.backward(total, retain_graph=True)
            assert h.grad is not None
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


def check_evaluation_changes_nothing(make: Make, tasks: Mapping[str, Task]) -> None:
    """Check that the state stays as it is in evaluation mode."""
    weighting = make()
    weighting.bind(tasks)
    before = {k: v.clone() for k, v in weighting.state_dict().items()}
    weighting.eval()(torch.rand(len(tasks)) + 1, (True,) * len(tasks))
    assert all(torch.equal(v, before[k]) for k, v in weighting.state_dict().items())


def check_weighting_state_round_trip(make: Make, tasks: Mapping[str, Task]) -> None:
    """Check that a weighting that loads another's state continues exactly like it."""
    one, other, everything = make(), make(), (True,) * len(tasks)

    def step(weighting: Weighting, seed: int) -> Tensor:
        torch.manual_seed(seed)
        h = torch.rand(len(tasks)).requires_grad_()
        losses = 3 * h.square() + 1
        weighting.on_epoch_start(seed // 2)
        total: Tensor = weighting(losses, everything)
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


def check_losses_that_are_not_finite(make: Make, tasks: Mapping[str, Task]) -> None:
    """Check that NaN and infinite losses, whose step a gradient scaler skips, do not spoil the state."""
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
    for name, value_kept in weighting.state_dict().items():
        assert bool(value_kept.isfinite().all()), name
