"""Contract of a balancing, as plain functions that raise AssertionError."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sennit.tasks import Balancing

Make = Callable[[], Balancing]


def check_balancing(make: Make) -> None:
    """Hold a balancing to the whole contract.

    Args:
        make: Function that makes a new balancing, not yet bound.

    Example:
        >>> from sennit.tasks import create_balancing
        >>> check_balancing(lambda: create_balancing("mgda"))
    """
    check_balancing_weights(make)
    check_balancing_directions(make)
    check_balancing_state_round_trip(make)


def check_balancing_weights(make: Make) -> None:
    """Check for finite weights of any Gramian, in its dtype, without a gradient."""
    for size in (2, 4):
        g = torch.randn(size, 6)
        opposed = torch.randn(1, 6) * torch.tensor([1.0, -1.0, 2.0, -3.0])[:size, None]
        one_zero = torch.cat([torch.zeros(1, 6), g[1:]])
        alike, zeros, orthogonal = g[:1].expand(size, 6), torch.zeros(size, 6), g * torch.eye(size, 6)
        for rows in (g, opposed, one_zero, alike, zeros, orthogonal):
            for scale in (1.0, 1e-17, 1e17, 1e-25):  # at the last the products underflow
                gramian = (rows * scale) @ (rows * scale).T
                weights = bound(make, size).weights(gramian.requires_grad_())
                assert weights.shape == (size,)
                assert weights.dtype == gramian.dtype
                assert not weights.requires_grad
                assert bool(weights.isfinite().all()), (rows, scale, weights)
        # Lengths that differ: in single precision the small one's products are lost beside the others'.
        uneven = g * torch.logspace(-9, 9, size)[:, None]
        assert bool(bound(make, size).weights(uneven @ uneven.T).isfinite().all())
        underflown = torch.eye(size)
        underflown[1] -= 1e-30
        underflown[1, 1] = 0
        assert bool(bound(make, size).weights(underflown).isfinite().all())
    torch.testing.assert_close(bound(make, 1).weights(torch.tensor([[3.0]])), torch.ones(1))
    spoilt = torch.tensor([[1.0, torch.inf], [torch.inf, torch.nan]])
    assert bound(make, 2).weights(spoilt).tolist() == [1, 1]


def check_balancing_directions(make: Make) -> None:
    """Check that the direction depends on neither the order of the tasks nor the scale of the gradients."""
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


def check_balancing_state_round_trip(make: Make) -> None:
    """Check that a rule that loads another's state continues exactly like it, with inactive tasks too."""
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


def bound(make: Make, size: int) -> Balancing:
    """Return a new balancing, bound to as many tasks."""
    rule = make()
    rule.bind([f"t{k}" for k in range(size)])
    return rule
