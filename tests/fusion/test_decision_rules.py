"""Further decision rules against plain float64 loops written from the papers."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sennit.fusion import (
    AdditiveRule,
    BoostedRule,
    LearnedWeightsRule,
    MajorityVoteRule,
    MeanLogitRule,
    MeanLogProbabilityRule,
    MeanProbabilityRule,
    MultiplicativeRule,
    ProductOfExpertsRule,
    Rule,
    StackingRule,
)
from tests.fusion.test_decision import draw

sizes = settings(max_examples=20, deadline=None, derandomize=True, database=None)
cases = given(batch=st.integers(1, 4), count=st.integers(1, 4), classes=st.integers(2, 4))
K, C = 3, 4


def rules(count: int = K, alternatives: tuple[int, ...] = (C,)) -> dict[str, Rule]:
    """One of each, the learned ones away from where they start."""
    found: dict[str, Rule] = {
        "additive": AdditiveRule(),
        "boosted": BoostedRule(beta=0.5, delta=0.5),
        "learned_weights": LearnedWeightsRule(count),
        "majority_vote": MajorityVoteRule(),
        "mean_log_probability": MeanLogProbabilityRule(),
        "mean_logit": MeanLogitRule(),
        "mean_probability": MeanProbabilityRule(),
        "multiplicative": MultiplicativeRule(beta=0.5),
        "product_of_experts": ProductOfExpertsRule(),
        "stacking": StackingRule(count, alternatives),
    }
    for rule in found.values():
        for p in rule.parameters() if isinstance(rule, torch.nn.Module) else ():
            p.data += torch.randn_like(p)
    return found


each = pytest.mark.parametrize("name", rules())
# The rules whose cost is that of a normalised decision, which they are trained for.
NORMALISED = ("learned_weights", "mean_logit", "mean_probability", "product_of_experts")


def decide(rule: Rule, log_p: Tensor, present: Tensor) -> Tensor:
    return rule.decide(log_p, present, rule.cost(log_p, present))


def softmax(scores: list[float]) -> list[float]:
    total = sum(map(math.exp, scores))
    return [math.exp(s) / total for s in scores]


@sizes
@cases
def test_the_mean_of_logits_is_their_softmax(batch: int, count: int, classes: int) -> None:
    logits, (_, present) = 3 * torch.randn(batch, count, classes), draw(batch, count, classes)
    found = decide(MeanLogitRule(), logits.log_softmax(-1), present).exp()
    for b in range(batch):
        there = [i for i in range(count) if present[b, i]]
        mean = [sum(float(logits[b, i, y]) for i in there) / len(there) for y in range(classes)]
        assert found[b].tolist() == pytest.approx(softmax(mean), abs=1e-5)


@sizes
@cases
def test_sums_and_means_of_log_probabilities(batch: int, count: int, classes: int) -> None:
    log_p, present = draw(batch, count, classes)
    additive, mean = AdditiveRule().cost(log_p, present), MeanLogProbabilityRule().cost(log_p, present)
    for b, y in itertools.product(range(batch), range(classes)):
        losses = [-float(log_p[b, i, y]) for i in range(count) if present[b, i]]
        assert additive[b, y].item() == pytest.approx(sum(losses), abs=1e-5)
        assert mean[b, y].item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)


@sizes
@cases
def test_a_product_of_experts_is_the_normalised_product(batch: int, count: int, classes: int) -> None:
    log_p, present = draw(batch, count, classes)
    found = decide(ProductOfExpertsRule(), log_p, present).exp()
    for b in range(batch):
        there = [i for i in range(count) if present[b, i]]
        products = [math.prod(math.exp(log_p[b, i, y]) for i in there) for y in range(classes)]
        assert found[b].tolist() == pytest.approx([p / sum(products) for p in products], abs=1e-5)


@each
def test_a_missing_candidate_leaves_the_rule_over_the_rest(name: str) -> None:
    """Of a product of experts: the product over the rest. Stacking learns what an absence means."""
    log_p, _ = draw(5, K, C)
    present = torch.tensor([True, False, True]).expand(5, K)
    rule, rest = rules()[name], rules(K - 1)[name]
    if isinstance(rule, LearnedWeightsRule) and isinstance(rest, LearnedWeightsRule):
        rest.scores.data = rule.scores.data[[0, 2]]
    if isinstance(rule, StackingRule) and isinstance(rest, StackingRule):
        rest.weight.data, rest.bias.data = rule.weight.data[[0, 2]], rule.bias.data + rule.absent.data[1]
    whole = torch.ones(5, K - 1, dtype=torch.bool)
    torch.testing.assert_close(rule.cost(log_p, present), rest.cost(log_p[:, [0, 2]], whole))
    torch.testing.assert_close(decide(rule, log_p, present), decide(rest, log_p[:, [0, 2]], whole))


@sizes
@cases
def test_a_majority_vote_counts_votes_and_breaks_ties_by_the_mean(
    batch: int, count: int, classes: int
) -> None:
    log_p, present = draw(batch, count, classes)
    found = decide(MajorityVoteRule(), log_p, present)
    for b in range(batch):
        there = [[math.exp(v) for v in log_p[b, i]] for i in range(count) if present[b, i]]
        votes = [sum(p.index(max(p)) == y for p in there) for y in range(classes)]
        mean = [sum(p[y] for p in there) / len(there) for y in range(classes)]
        assert int(found[b].argmax()) == max(range(classes), key=lambda y: (votes[y], mean[y]))
        shares = [(v + m) / (len(there) + 1) for v, m in zip(votes, mean, strict=True)]
        assert found[b].exp().tolist() == pytest.approx(shares, abs=1e-5)


def test_a_majority_that_is_barely_right_wins_against_a_sure_candidate() -> None:
    p = torch.tensor([[[0.51, 0.49], [0.51, 0.49], [1e-6, 1 - 1e-6]]])
    there = torch.ones(1, 3, dtype=torch.bool)
    assert decide(MajorityVoteRule(), p.log(), there).argmax().item() == 0
    assert decide(MeanProbabilityRule(), p.log(), there).argmax().item() == 1
    assert decide(MajorityVoteRule(), p.log(), torch.tensor([[True, False, True]])).argmax().item() == 1


def test_voters_learn_each_by_itself() -> None:
    log_p, present = draw(4, K, C)
    torch.testing.assert_close(MajorityVoteRule().cost(log_p, present), AdditiveRule().cost(log_p, present))


@sizes
@cases
def test_learned_weights_are_shared_out_among_the_present(batch: int, count: int, classes: int) -> None:
    log_p, present = draw(batch, count, classes)
    rule = LearnedWeightsRule(count).requires_grad_(False)
    torch.testing.assert_close(rule.cost(log_p, present), MeanProbabilityRule().cost(log_p, present))
    rule.scores.normal_()
    found, weights = decide(rule, log_p, present).exp(), rule.weights(present)
    for b in range(batch):
        there = [i for i in range(count) if present[b, i]]
        w = softmax([float(rule.scores[i]) for i in there])
        assert weights[b, there].tolist() == pytest.approx(w, abs=1e-6)
        assert weights[b].sum().item() == pytest.approx(1)
        for y in range(classes):
            mixed = sum(a * math.exp(log_p[b, i, y]) for a, i in zip(w, there, strict=True))
            assert found[b, y].item() == pytest.approx(mixed, abs=1e-5)


@sizes
@given(batch=st.integers(1, 3), count=st.integers(1, 3), labels=st.integers(0, 2), classes=st.integers(2, 3))
def test_stacking_is_a_logistic_regression_on_log_probabilities(
    batch: int, count: int, labels: int, classes: int
) -> None:
    """``s = b + Σ_i (W_i log p_i or a_i)``, for each label its own."""
    lead = (labels,) if labels else ()
    log_p, present = torch.randn(batch, count, *lead, classes).log_softmax(-1), draw(batch, count, 2)[1]
    rule = StackingRule(count, (*lead, classes)).requires_grad_(False)
    for p in rule.parameters():
        p += torch.randn_like(p)
    decided, cost = decide(rule, log_p, present).exp(), rule.cost(log_p, present)
    for b, place in itertools.product(range(batch), itertools.product(*map(range, lead))):
        scores = []
        for y in range(classes):
            s = float(rule.bias[(*place, y)])
            for i in range(count):
                if present[b, i]:
                    row = rule.weight[(i, *place, y)]
                    s += sum(float(row[c] * log_p[(b, i, *place, c)]) for c in range(classes))
                else:
                    s += float(rule.absent[(i, *place, y)])
            scores.append(s)
        p = softmax(scores)
        assert decided[(b, *place)].tolist() == pytest.approx(p, abs=1e-5)
        for y in range(classes):
            own = sum(float(log_p[(b, i, *place, y)]) for i in range(count) if present[b, i])
            assert cost[(b, *place, y)].item() == pytest.approx(-math.log(p[y]) - own, abs=1e-4)


def test_stacking_starts_as_the_product_of_experts() -> None:
    log_p, present = draw(5, K, C)
    torch.testing.assert_close(
        decide(StackingRule(K, (C,)), log_p, present), decide(ProductOfExpertsRule(), log_p, present)
    )


def test_what_stacking_decides_teaches_the_candidates_nothing() -> None:
    """Each learns from its own cross-entropy."""
    logits, present = torch.randn(5, K, C, requires_grad=True), draw(5, K, C)[1]
    rule = rules()["stacking"]
    (found,) = torch.autograd.grad(rule.cost(logits.log_softmax(-1), present)[:, 0].sum(), logits)
    (alone,) = torch.autograd.grad(AdditiveRule().cost(logits.log_softmax(-1), present)[:, 0].sum(), logits)
    torch.testing.assert_close(found, alone)


@pytest.mark.parametrize("beta", [0.5, 0.0])
def test_an_infinite_margin_gives_the_multiplicative_rule(beta: float) -> None:
    log_p, present = draw(6, K, C)
    rule, plain = BoostedRule(beta=beta, delta=math.inf), MultiplicativeRule(beta=beta)
    assert torch.equal(rule.cost(log_p, present), plain.cost(log_p, present))


@pytest.mark.parametrize("beta", [0.5, 0.0])
@pytest.mark.parametrize("delta", [0.0, 0.3, 2.0])
def test_no_loss_and_no_gradient_once_the_true_class_wins_by_the_margin(beta: float, delta: float) -> None:
    """``ℓ^y (1 − ∏_{y'≠y} [ℓ^y + δ < ℓ^y'])``: K. Liu 2018."""
    logits, present = (2 * torch.randn(40, K, C)).requires_grad_(), draw(40, K, C)[1]
    rule, log_p = BoostedRule(beta=beta, delta=delta), logits.log_softmax(-1)
    plain, boosted = MultiplicativeRule(beta=beta).cost(log_p, present), rule.cost(log_p, present)
    seen = set()
    for b, y in itertools.product(range(40), range(C)):
        wins = all(
            float(plain.detach()[b, y]) + delta < float(plain.detach()[b, z]) for z in range(C) if z != y
        )
        (gradient,) = torch.autograd.grad(boosted[b, y], logits, retain_graph=True)
        assert boosted[b, y].item() == (0 if wins else plain[b, y].item())
        assert bool(gradient.any()) != wins
        seen.add(wins)
    assert seen == {True, False}
    assert torch.equal(rule.decide(log_p, present, boosted), -plain)


@pytest.mark.parametrize("delta", [-1.0, math.nan])
def test_a_margin_below_zero_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match=r"`delta` should be 0 or more\. Found"):
        BoostedRule(delta=delta)


def test_multiplicative_without_beta_is_additive() -> None:
    log_p, present = draw(6, K, C)
    torch.testing.assert_close(
        MultiplicativeRule(beta=0.0).cost(log_p, present), AdditiveRule().cost(log_p, present)
    )


def test_log_probabilities_decide_as_logits_and_train_otherwise() -> None:
    log_p, present = draw(6, K, C)
    joint, alone = MeanLogitRule(), MeanLogProbabilityRule()
    torch.testing.assert_close(
        decide(joint, log_p, present).softmax(-1), decide(alone, log_p, present).softmax(-1)
    )
    assert bool((alone.cost(log_p, present) >= joint.cost(log_p, present) - 1e-6).all())


@pytest.mark.parametrize("name", [n for n in rules() if n not in ("boosted", "learned_weights", "stacking")])
def test_one_candidate_is_the_cross_entropy(name: str) -> None:
    log_p, _ = draw(5, 1, C)
    present = torch.ones(5, 1, dtype=torch.bool)
    torch.testing.assert_close(rules(1)[name].cost(log_p, present), -log_p[:, 0])


@pytest.mark.parametrize("name", NORMALISED)
def test_these_are_trained_for_the_probability_that_they_give(name: str) -> None:
    log_p, present = draw(6, K, C)
    rule = rules()[name]
    assert torch.equal(decide(rule, log_p, present), -rule.cost(log_p, present))
    torch.testing.assert_close(decide(rule, log_p, present).exp().sum(-1), torch.ones(6))


@each
def test_the_order_of_the_candidates_does_not_matter(name: str) -> None:
    log_p, present = draw(6, K, C)
    order, rule = [2, 0, 1], rules()[name]
    expected = rule.cost(log_p, present), decide(rule, log_p, present)
    for p in (rule.scores,) if isinstance(rule, LearnedWeightsRule) else ():
        p.data = p.data[order]
    for p in (rule.weight, rule.absent) if isinstance(rule, StackingRule) else ():
        p.data = p.data[order]
    moved = log_p[:, order], present[:, order]
    torch.testing.assert_close((rule.cost(*moved), decide(rule, *moved)), expected)


@each
def test_labels_are_decided_each_by_itself(name: str) -> None:
    """``[B, K, L, 2]``: as if every label were a task."""
    log_p, present = torch.randn(5, K, 3, 2).log_softmax(-1), draw(5, K, 2)[1]
    rule = rules(K, (3, 2))[name]
    cost, decided = rule.cost(log_p, present), decide(rule, log_p, present)
    assert cost.shape == decided.shape == (5, 3, 2)
    for label in range(3):
        own = rule
        if isinstance(rule, StackingRule):
            own = StackingRule(K, (2,))
            own.load_state_dict(
                {"weight": rule.weight[:, label], "absent": rule.absent[:, label], "bias": rule.bias[label]}
            )
        torch.testing.assert_close(own.cost(log_p[:, :, label], present), cost[:, label])
        torch.testing.assert_close(decide(own, log_p[:, :, label], present), decided[:, label])


@each
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_rules_are_finite_and_compute_in_fp32(name: str, scale: float) -> None:
    """p → 1 and p → 0, values and gradients; what stands in an absent slot reaches nothing."""
    logits = (scale * torch.randn(6, K, C)).bfloat16().requires_grad_()
    present = draw(6, K, C)[1]
    rule = rules()[name]
    log_p = logits.log_softmax(-1)
    cost, decided = rule.cost(log_p, present), decide(rule, log_p, present)
    assert cost.dtype == decided.dtype == torch.float32
    assert bool(cost.isfinite().all() and decided.isfinite().all())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(rule.cost(log_p, present), cost)
        assert torch.equal(decide(rule, log_p, present), decided)
    (cost.sum() + decided.sum()).backward()
    assert bool(logits.grad.isfinite().all())
    assert not logits.grad[~present].any()
    garbage = log_p.detach().masked_fill(~present[..., None], torch.nan)
    torch.testing.assert_close(rule.cost(garbage, present), cost)
    torch.testing.assert_close(decide(rule, garbage, present), decided)


def test_a_class_without_a_rival_has_won() -> None:
    log_p, present = torch.zeros(2, 3, 1), torch.ones(2, 3, dtype=torch.bool)
    assert BoostedRule().cost(log_p, present).tolist() == [[0.0], [0.0]]
