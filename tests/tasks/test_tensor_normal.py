"""Deep relationship networks: the tensor normal prior (Long 2017), and features made orthogonal."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal
from torch.utils.data import DataLoader

from sennit.data import BatchDataset
from sennit.tasks import Classification, Learner, MultiTaskModel, Regression
from sennit.tasks.sharing import SoftOrthogonality, TensorNormal, flip_flop, mode_product, negative_log_prior
from sennit.tasks.sharing.soft_orthogonality import gram_distances
from tests.parts import make_batch, make_model
from tests.tasks.training import make_trainer

SIZE = 12
TARGETS = {"y": torch.arange(SIZE) % 3, "z": torch.linspace(-1, 1, SIZE)[:, None]}
STACK = {"name": "mlp", "depth": 1, "dropout": 0.0}


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def covariance(size: int) -> Tensor:
    root = random(size, size)
    return root @ root.T + 0.5 * torch.eye(size, dtype=torch.float64)


def kronecker(matrices: list[Tensor]) -> Tensor:
    whole = matrices[0]
    for matrix in matrices[1:]:
        whole = torch.kron(whole, matrix)
    return whole


def make(**options: Any) -> MultiTaskModel:
    tasks = {"y": Classification(3), "z": Regression()}
    return make_model("gated", tasks, sharing=TensorNormal(stack=STACK, **options))


def test_mode_products_are_the_product_with_the_kronecker_matrix() -> None:
    x, matrices = random(2, 3, 4), [random(5, 2), random(3, 3), random(2, 4)]
    found = x
    for mode, matrix in enumerate(matrices):
        found = mode_product(found, matrix, mode)
    assert found.shape == (5, 3, 2)
    torch.testing.assert_close(found.flatten(), kronecker(matrices) @ x.flatten())


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 1, 2), (1, 1, 1)])
def test_the_prior_is_the_density_with_the_full_covariance(shape: tuple[int, ...]) -> None:
    """``½ vec(W)ᵀ (Σ_1 ⊗ Σ_2 ⊗ Σ_3)^{−1} vec(W)`` and the logarithms of the determinants."""
    x, covariances = random(*shape), [covariance(size) for size in shape]
    whole = kronecker(covariances)
    density = MultivariateNormal(torch.zeros(x.numel(), dtype=x.dtype), whole).log_prob(x.flatten())
    constant = x.numel() / 2 * math.log(2 * math.pi)
    torch.testing.assert_close(negative_log_prior(x, covariances), -density - constant)


def test_the_gradient_of_the_prior_is_the_precision_times_the_weights() -> None:
    x, covariances = random(2, 3, 2).requires_grad_(), [covariance(size) for size in (2, 3, 2)]
    negative_log_prior(x, covariances).backward()
    expected = torch.linalg.solve(kronecker(covariances), x.detach().flatten())
    torch.testing.assert_close(x.grad.flatten(), expected)


def brute_force(x: Tensor, covariances: list[Tensor]) -> Tensor:
    """The negative log-likelihood by the full Kronecker matrix."""
    whole = kronecker(covariances)
    return (x.flatten() @ torch.linalg.solve(whole, x.flatten()) + torch.logdet(whole)) / 2


def test_each_update_is_the_maximum_of_the_likelihood_given_the_others() -> None:
    """The scale apart: along the best multiple of what is found, no direction goes down."""
    x, start = random(3, 4, 2), [covariance(size) for size in (3, 4, 2)]
    found = flip_flop(x, start)
    for k in range(3):
        others = [*found[:k], None, *start[k + 1 :]]

        def cost(own: Tensor, k: int = k, others: list[Any] = others) -> Tensor:
            return brute_force(x, [own if i == k else c for i, c in enumerate(others)])

        scale = torch.ones((), dtype=x.dtype, requires_grad=True)
        for _ in range(60):  # towards the best multiple, by Newton's method on its logarithm
            (slope,) = torch.autograd.grad(cost(scale.exp() * found[k]), scale, create_graph=True)
            (bend,) = torch.autograd.grad(slope, scale)
            scale = (scale - slope / bend).detach().requires_grad_()
        own = (scale.exp() * found[k]).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(cost(own), own)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-8, rtol=0)
        torch.testing.assert_close(found[k].diagonal().mean(), torch.ones((), dtype=x.dtype))


def test_flip_flop_ends_at_the_maximum_likelihood_of_the_full_kronecker_matrix() -> None:
    """Against a general optimiser that knows nothing of modes."""
    x = random(3, 3, 3)
    found = [torch.eye(3, dtype=x.dtype)] * 3
    for _ in range(400):
        found = flip_flop(x, found)
    roots = [torch.eye(3, dtype=x.dtype).requires_grad_() for _ in range(3)]
    optimizer = torch.optim.LBFGS(roots, max_iter=500, line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def closure() -> Tensor:
        optimizer.zero_grad()
        cost = brute_force(x, [root @ root.T for root in roots])
        cost.backward()
        return cost

    optimizer.step(closure)
    best = kronecker([(root @ root.T).detach() for root in roots])
    ours = kronecker(found)
    torch.testing.assert_close(ours / ours.trace(), best / best.trace(), atol=1e-5, rtol=1e-3)


def test_too_little_to_estimate_from_is_regularised() -> None:
    """Two tasks of four features each: the covariance of the features has rank two at most."""
    x = random(2, 1, 4)
    found = flip_flop(x, [torch.eye(s, dtype=x.dtype) for s in (2, 1, 4)], eps=0.1)
    for own in found:
        torch.testing.assert_close(own.trace(), torch.tensor(float(len(own)), dtype=x.dtype))
        assert float(torch.linalg.eigvalsh(own).min()) >= 0.1 - 1e-9
    zero = flip_flop(torch.zeros_like(x), found, eps=0.1)
    assert all(bool(own.isfinite().all()) for own in zero)


def test_identical_tasks_are_found_related_and_opposite_ones_opposed() -> None:
    w = torch.randn(6, 6)
    x = torch.stack([w, w + 0.1 * torch.randn(6, 6), -w + 0.1 * torch.randn(6, 6)])
    task, _, _ = flip_flop(x, [torch.eye(3), torch.eye(6), torch.eye(6)], eps=0.01)
    assert float(task[0, 1]) > 0.8
    assert float(task[0, 2]) < -0.8


def test_with_identity_covariances_it_is_weight_decay() -> None:
    model, batch = make(strength=0.3).eval(), make_batch(SIZE, targets=TARGETS)
    _, parts = model.loss(batch)
    named = {n: p for n, p in model.sharing.stacks.named_parameters() if p.dim() == 2}
    assert len(named) == 4
    torch.testing.assert_close(parts["penalty"], 0.15 * sum(p.square().sum() for p in named.values()))
    penalty = model.sharing.penalty_of([dict.fromkeys(("y", "z"), torch.zeros(1, 8))])
    for (name, p), g in zip(named.items(), torch.autograd.grad(penalty, list(named.values())), strict=True):
        torch.testing.assert_close(g, 0.3 * p, msg=name)


def test_the_penalty_is_that_of_the_full_covariance_and_never_below_zero() -> None:
    """``Σ_W ½ vec(W)ᵀ (Σ_t ⊗ Σ_o ⊗ Σ_f)^{−1} vec(W)`` of covariances that were learned."""
    sharing = make(strength=0.5, every=1).sharing.double()
    for _ in range(3):
        sharing.after_step()
    expected = 0.0
    for name, known in zip(sharing.matrices, sharing.covariances, strict=True):
        w = torch.stack([stack.get_parameter(name) for stack in sharing.stacks]).detach().flatten()
        covariances = [known.task, known.output, known.feature]
        assert not torch.allclose(known.feature, torch.eye(len(known.feature), dtype=torch.float64))
        expected += 0.5 * 0.5 * (w @ torch.linalg.solve(kronecker(covariances), w)).item()
    assert sharing.penalty().item() == pytest.approx(expected)
    assert expected > 0


def test_the_weights_of_an_inactive_task_pull_and_are_not_pulled() -> None:
    sharing = make().sharing
    for own in sharing.covariances:
        own.task.copy_(torch.tensor([[1.0, 0.8], [0.8, 1.0]]))
    weights = [stack.get_parameter(sharing.matrices[0]) for stack in sharing.stacks]
    alone = sharing.penalty_of([{"y": torch.zeros(1, 8)}])
    both = sharing.penalty_of([{"y": torch.zeros(1, 8)}, {"z": torch.zeros(1, 8)}])
    torch.testing.assert_close(alone, both)
    pulled = torch.autograd.grad(alone, weights, allow_unused=True)
    assert pulled[1] is None
    torch.testing.assert_close(pulled[0], torch.autograd.grad(both, weights)[0])


def test_the_covariances_change_every_so_many_steps() -> None:
    sharing = make(every=3, eps=0.05).sharing
    start = sharing.covariances[0].task.clone()
    for step in range(1, 7):
        before = sharing.covariances[0].task.clone()
        known = [c.double() for c in sharing.covariances[0].all()]
        sharing.after_step()
        changed = not torch.equal(sharing.covariances[0].task, before)
        assert changed == (step % 3 == 0)
        if changed:
            x = sharing.tensor(sharing.matrices[0], ()).double()
            for own, expected in zip(
                sharing.covariances[0].all(), flip_flop(x, known, eps=0.05), strict=True
            ):
                torch.testing.assert_close(own.double(), expected, atol=1e-4, rtol=1e-4)
    assert not torch.equal(sharing.covariances[0].task, start)
    assert not any(own.requires_grad for c in sharing.covariances for own in c.all())


def fit(
    steps: int, resume: Path | None = None, size: int = SIZE, **options: Any
) -> tuple[MultiTaskModel, pl.Trainer]:
    torch.manual_seed(1)
    model = make(every=2, strength=0.1)
    data = BatchDataset(make_batch(SIZE, missing=False, targets=TARGETS))
    loader = DataLoader(data, batch_size=size, collate_fn=data.collate)
    trainer = make_trainer(max_epochs=9, max_steps=steps, **options)
    trainer.fit(Learner(model, lr=0.05), loader, ckpt_path=resume)
    return model, trainer


def test_a_resumed_run_has_the_same_covariances_bit_for_bit(tmp_path: Path) -> None:
    whole, _ = fit(6)
    _, half = fit(3)
    half.save_checkpoint(tmp_path / "half.ckpt")
    resumed, _ = fit(6, tmp_path / "half.ckpt")
    assert int(resumed.sharing.steps) == 6
    assert not torch.equal(resumed.sharing.covariances[0].task, torch.eye(2))
    expected = whole.state_dict()
    assert [k for k, x in resumed.state_dict().items() if not torch.equal(x, expected[k])] == []


def test_steps_are_those_of_the_optimizer() -> None:
    assert int(fit(3, size=4, accumulate_grad_batches=2)[0].sharing.steps) == 3


def test_the_weights_do_not_vanish_with_the_covariances() -> None:
    """Without a fixed scale the likelihood of both together grows without a bound, as both go to zero."""
    model = make(every=1, strength=1e-2)
    optimizer = torch.optim.SGD(model.sharing.parameters(), lr=0.1)

    def size() -> float:
        weights = [p.detach() for p in model.sharing.parameters() if p.dim() == 2]
        return sum(float(w.square().sum()) for w in weights)

    before = size()
    for _ in range(100):
        optimizer.zero_grad()
        model.sharing.penalty_of([dict.fromkeys(("y", "z"), torch.zeros(1, 8))]).backward()
        optimizer.step()
        model.sharing.after_step()
    assert 0.1 * before < size() < before


@pytest.mark.parametrize(("tasks", "dim"), [(2, 5), (4, 4), (7, 3)])
def test_soft_orthogonality_is_the_loop_over_samples_and_pairs(tasks: int, dim: int) -> None:
    features = [random(SIZE, dim) for _ in range(tasks)]
    found = gram_distances(features)
    for n in range(SIZE):
        rows = [(f[n] / f[n].norm()).tolist() for f in features]
        total = 0.0
        for i, a in enumerate(rows):
            for j, b in enumerate(rows):
                total += (sum(u * v for u, v in zip(a, b, strict=True)) - (i == j)) ** 2
        expected = total / (tasks * (tasks - 1))
        assert float(found[n]) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_orthogonal_features_cost_nothing_and_many_tasks_cost_welchs_bound() -> None:
    eye = torch.eye(3)
    assert float(gram_distances([row[None] for row in eye])) == pytest.approx(0, abs=1e-6)
    twice = gram_distances([row[None] for row in torch.cat([eye, -eye])])
    assert float(twice) == pytest.approx((6**2 / 3 - 6) / (6 * 5), rel=1e-5)


def test_soft_orthogonality_pulls_the_features_of_the_tasks_apart() -> None:
    tasks = {"y": Classification(3), "z": Regression()}
    model = make_model("gated", tasks, sharing=SoftOrthogonality(stack=STACK, strength=1.0))
    batch = make_batch(SIZE, targets=TARGETS)

    def cosines() -> Tensor:
        features = model.features(batch).by_task
        return torch.cosine_similarity(features["y"], features["z"]).square().mean().detach()

    start = float(cosines())
    torch.testing.assert_close(model.loss(batch)[1]["penalty"], cosines())
    optimizer = torch.optim.SGD(model.sharing.parameters(), lr=0.5)
    for _ in range(50):
        optimizer.zero_grad()
        model.loss(batch)[0].backward()
        optimizer.step()
    assert float(cosines()) < 0.3 * start


def test_one_active_task_is_orthogonal_to_nothing() -> None:
    sharing = SoftOrthogonality()
    assert sharing.penalty_of([{"a": torch.randn(3, 4)}]) is None


@pytest.mark.parametrize(
    ("make_it", "match"),
    [
        (lambda: TensorNormal(strength=-1), "`strength` should be 0 or more"),
        (lambda: TensorNormal(every=0), "`every` 1 or more"),
        (lambda: TensorNormal(eps=0.0), r"`eps` in \(0, 1\]"),
        (lambda: SoftOrthogonality(strength=-0.1), "`strength` should be 0 or more. Found -0.1"),
    ],
)
def test_what_is_wrong_is_refused_by_name(make_it: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make_it()
