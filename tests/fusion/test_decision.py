"""Decision rules against plain float64 loops written from the papers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from sennit.fusion import MeanProbabilityRule, MultiplicativeRule

sizes = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def draw(batch: int, count: int, classes: int) -> tuple[Tensor, Tensor]:
    log_p = torch.randn(batch, count, classes).log_softmax(-1)
    present = torch.rand(batch, count) > 0.4
    present[:, 0] |= ~present.any(1)
    return log_p, present


@sizes
@given(batch=st.integers(1, 4), count=st.integers(1, 4), classes=st.integers(2, 4))
def test_mean_rule_is_minus_the_logarithm_of_the_mean_probability(
    batch: int, count: int, classes: int
) -> None:
    log_p, present = draw(batch, count, classes)
    cost = MeanProbabilityRule().cost(log_p, present)
    for b in range(batch):
        for y in range(classes):
            there = [math.exp(log_p[b, i, y]) for i in range(count) if present[b, i]]
            assert cost[b, y].item() == pytest.approx(-math.log(sum(there) / len(there)), abs=1e-5)


@sizes
@given(
    batch=st.integers(1, 4),
    count=st.integers(1, 4),
    classes=st.integers(2, 4),
    beta=st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.0]),
)
def test_multiplicative_rule_is_the_papers_sum(batch: int, count: int, classes: int, beta: float) -> None:
    """``ℓ^y = −Σ_i q_i^y log p_i^y``, ``q_i^y = [∏_{j≠i} (1 − p_j^y)]^{β/(K−1)}``, K = candidates present."""
    log_p, present = draw(batch, count, classes)
    cost = MultiplicativeRule(beta=beta).cost(log_p, present)
    for b in range(batch):
        there = [i for i in range(count) if present[b, i]]
        for y in range(classes):
            expected = 0.0
            for i in there:
                rest = math.prod(1 - math.exp(log_p[b, j, y]) for j in there if j != i)
                q = rest ** (beta / (len(there) - 1)) if len(there) > 1 else 1.0
                expected -= q * float(log_p[b, i, y])
            assert cost[b, y].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_one_candidate_is_the_cross_entropy() -> None:
    """Trap: 1/0 when a single candidate exists."""
    logits, target = torch.randn(5, 3), torch.randint(3, (5,))
    expected = F.cross_entropy(logits, target, reduction="none")
    alone = torch.ones(5, 1, dtype=torch.bool)
    beside_absent = torch.tensor([True, False, False]).expand(5, 3)
    three = torch.stack([logits, *torch.randn(2, 5, 3)], 1).log_softmax(-1)
    for log_p, present in ((three[:, :1], alone), (three, beside_absent)):
        for rule in (MultiplicativeRule(beta=0.5), MeanProbabilityRule()):
            loss = rule.cost(log_p, present).gather(1, target[:, None])[:, 0]
            torch.testing.assert_close(loss, expected)


def test_beta_zero_is_additive() -> None:
    log_p, present = draw(6, 3, 4)
    expected = -log_p.masked_fill(~present[..., None], 0).sum(1)
    torch.testing.assert_close(MultiplicativeRule(beta=0.0).cost(log_p, present), expected)


def test_absent_candidates_do_not_count() -> None:
    """Trap: the number of modalities where the number of candidates present belongs."""
    log_p, _ = draw(4, 2, 3)
    present = torch.tensor([True, True, False]).expand(4, 3)
    for rule in (MultiplicativeRule(beta=1.0), MeanProbabilityRule()):
        for other in (torch.zeros(4, 1, 3), torch.full((4, 1, 3), -50.0)):
            three = torch.cat([log_p, other], 1)
            torch.testing.assert_close(rule.cost(three, present), rule.cost(log_p, present[:, :2]))


@pytest.mark.parametrize("through_weights", [False, True])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_certainty_stays_finite(scale: float, through_weights: bool) -> None:
    """p → 1 and p → 0, values and gradients."""
    logits = (scale * torch.tensor([[[1.0, -1.0], [1.0, -1.0]], [[-1.0, 1.0], [1.0, -1.0]]])).requires_grad_()
    cost = MultiplicativeRule(beta=0.5, through_weights=through_weights).cost(
        logits.log_softmax(-1), torch.ones(2, 2, dtype=torch.bool)
    )
    cost.sum().backward()
    assert bool(cost.isfinite().all())
    assert bool(logits.grad.isfinite().all())


def test_gradients_pass_through_the_weights_only_when_asked() -> None:
    log_p = torch.randn(3, 2, 4).log_softmax(-1).requires_grad_()
    present = torch.ones(3, 2, dtype=torch.bool)
    with torch.no_grad():
        q = 1 - log_p.exp().flip(1)  # of two candidates each is weighed by the other, β = 1
    (stopped,) = torch.autograd.grad(MultiplicativeRule(beta=1.0).cost(log_p, present).sum(), log_p)
    torch.testing.assert_close(stopped, -q)
    rule = MultiplicativeRule(beta=1.0, through_weights=True)
    (whole,) = torch.autograd.grad(rule.cost(log_p, present).sum(), log_p)
    p = log_p.detach().exp()
    torch.testing.assert_close(whole, -q + p * log_p.detach().flip(1))


@pytest.mark.parametrize("rule", [MultiplicativeRule(beta=0.7, through_weights=True), MeanProbabilityRule()])
def test_gradient_is_that_of_the_values(rule: MultiplicativeRule | MeanProbabilityRule) -> None:
    """The rules compute in fp32, so central differences are wide and the tolerance is theirs."""
    x = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    present = torch.tensor([[True, True, True], [True, False, True]])
    torch.autograd.gradcheck(
        lambda x: rule.cost(x.log_softmax(-1), present), x, eps=1e-2, atol=2e-3, rtol=1e-2
    )


@pytest.mark.parametrize("rule", [MultiplicativeRule(beta=0.5), MeanProbabilityRule()])
def test_rules_compute_in_fp32(rule: MultiplicativeRule | MeanProbabilityRule) -> None:
    log_p, present = draw(3, 2, 3)
    assert rule.cost(log_p.bfloat16(), present).dtype == torch.float32


@pytest.mark.parametrize("beta", [-1, math.nan, math.inf])
def test_a_beta_out_of_range_is_refused(beta: float) -> None:
    """Infinity would be ∞ · 0 where a candidate is alone."""
    with pytest.raises(ValueError, match=rf"`beta` should be finite, 0 or more\. Found {beta}"):
        MultiplicativeRule(beta=beta)
