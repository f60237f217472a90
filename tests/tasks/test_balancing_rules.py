"""Each balancing beside its paper, in double precision, on explicit gradients."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torchjd.aggregation import AlignedMTLWeighting, MGDAWeighting

from sennit.tasks import create_balancing
from sennit.tasks.balancing import IMTLG, MGDA, AlignedMTL, CAGrad, GradVac, NashMTL, UPGrad

SIZES = [(2, 5), (3, 7), (4, 4), (5, 3), (7, 12)]
"""Tasks and length of their gradients; five in three dimensions are dependent."""

each_size = pytest.mark.parametrize(("tasks", "dim"), SIZES)
independent = pytest.mark.parametrize(("tasks", "dim"), [s for s in SIZES if s[1] >= s[0]])
seeds = pytest.mark.parametrize("seed", range(5))


def draw(seed: int, tasks: int, dim: int) -> Tensor:
    """Gradients of lengths from a hundredth to a hundred, often in conflict."""
    generator = torch.Generator().manual_seed(seed)
    g = torch.randn(tasks, dim, generator=generator, dtype=torch.float64)
    scale = 10 ** (4 * torch.rand(tasks, 1, generator=generator, dtype=torch.float64) - 2)
    return (g - 0.4 * g[:1]) * scale


def subsets(size: int) -> list[list[int]]:
    return [list(s) for k in range(1, size + 1) for s in itertools.combinations(range(size), k)]


def shortest_mixture(g: Tensor) -> Tensor:
    """The least of ``‖Σ w_t g_t‖``, by the stationary point of every subset of the tasks."""
    best = g[g.norm(dim=1).argmin()]
    for chosen in subsets(len(g)):
        own = g[chosen]
        # w of sum 1 with all g_t·d equal: d is normal to every difference.
        first, steps = own[0], own[1:] - own[0]
        w = (
            torch.linalg.lstsq(steps.T, -first, driver="gelsd").solution
            if len(chosen) > 1
            else own.new_zeros(0)
        )
        if bool((w >= -1e-12).all()) and w.sum() <= 1 + 1e-12:
            d = first + w @ steps
            best = d if d.norm() < best.norm() else best
    return best


@seeds
@each_size
def test_mgda_is_the_shortest_mixture(seed: int, tasks: int, dim: int) -> None:
    g = draw(seed, tasks, dim)
    w = MGDA().weights(g @ g.T)
    assert bool((w >= 0).all())
    assert w.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close((w @ g).norm(), shortest_mixture(g).norm(), rtol=1e-7, atol=1e-8)


def test_mgda_is_where_frank_wolfe_goes() -> None:
    g = draw(1, 4, 9)
    near = MGDAWeighting(epsilon=1e-9, max_iters=3000)(g @ g.T)
    torch.testing.assert_close(MGDA().weights(g @ g.T), near, rtol=0, atol=1e-2)
    ours, theirs = ((w @ g).norm() for w in (MGDA().weights(g @ g.T), near))
    assert ours <= theirs


def test_mgda_stays_where_no_direction_lowers_every_loss() -> None:
    for g in (torch.tensor([[1.0, 0.0], [-3.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])):
        assert (MGDA().weights(g @ g.T) @ g).norm().item() == pytest.approx(0, abs=1e-6)


def onto_the_dual_cone(v: Tensor, g: Tensor) -> Tensor:
    """The nearest point to v with no conflict, by trying every set of tasks that it may be normal to."""
    found = [v] if bool((g @ v >= -1e-12).all()) else []
    for normal_to in subsets(len(g)):
        own = g[normal_to]
        d = v - own.T @ torch.linalg.pinv(own.T) @ v
        if bool((g @ d >= -1e-9 * g.norm(dim=1)).all()):
            found.append(d)
    return min(found, key=lambda d: float((d - v).norm()))


@seeds
@each_size
def test_upgrad_projects_onto_the_dual_cone(seed: int, tasks: int, dim: int) -> None:
    g = draw(seed, tasks, dim)
    expected = torch.stack([onto_the_dual_cone(v, g) for v in g]).mean(0)
    torch.testing.assert_close(UPGrad().weights(g @ g.T) @ g, expected, rtol=1e-8, atol=1e-8)


@each_size
def test_upgrad_conflicts_with_nobody(tasks: int, dim: int) -> None:
    g = draw(7, tasks, dim)
    d = UPGrad().weights(g @ g.T) @ g
    assert bool((g @ d >= -1e-8 * g.norm(dim=1)).all())


@seeds
@each_size
@pytest.mark.parametrize("c", [0.1, 0.4, 0.9])
def test_cagrad_has_no_gap_between_primal_and_dual(seed: int, tasks: int, dim: int, c: float) -> None:
    """d within the ball, and its worst task gains as much as the dual of the same w says: both optimal."""
    g = draw(seed, tasks, dim)
    mean = g.mean(0)
    weights = CAGrad(c=c).weights(g @ g.T)
    d, w = weights @ g, weights - 1 / tasks
    assert bool((w >= -1e-9).all())
    assert (d - mean).norm() <= c * mean.norm() * (1 + 1e-9)
    mixture = w @ g / w.sum()
    dual = mixture @ mean + c * mean.norm() * mixture.norm()
    scale = float(mean.norm() * g.norm(dim=1).max())
    # Where the shortest mixture is next to nothing, τ stops at its least.
    least = 1e-3 if mixture.norm() < 1.01e-4 * c * mean.norm() else 1e-8
    assert (g @ d).min().item() == pytest.approx(dual.item(), abs=least * scale)


def test_cagrad_with_a_radius_of_zero_is_the_mean() -> None:
    g = draw(0, 3, 7)
    assert CAGrad(c=0.0).weights(g @ g.T).tolist() == [1 / 3] * 3


@pytest.mark.parametrize(("name", "options"), [("cagrad", {"c": 1.0}), ("gradvac", {"beta": 2})])
def test_numbers_out_of_range_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"`{next(iter(options))}` should be from 0 .* Found"):
        create_balancing(name, **options)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"unknown level of the gradients 'feature'. Did you mean 'features'"
    ):
        create_balancing("mgda", level="feature")


@seeds
@each_size
def test_aligned_mtl_is_algorithm_1(seed: int, tasks: int, dim: int) -> None:
    g = draw(seed, tasks, dim)
    values, vectors = torch.linalg.eigh(g @ g.T)
    kept = values > 1e-12 * values.max()
    v, inverse = vectors[:, kept], values[kept].rsqrt()
    expected = values[kept].min().sqrt() * v @ torch.diag(inverse) @ v.T @ torch.full_like(values, 1 / tasks)
    torch.testing.assert_close(AlignedMTL().weights(g @ g.T), expected, rtol=1e-6, atol=1e-9)


@seeds
@independent
def test_aligned_mtl_is_torchjds(seed: int, tasks: int, dim: int) -> None:
    g = draw(seed, tasks, dim)
    theirs = AlignedMTLWeighting()(g @ g.T)
    torch.testing.assert_close(AlignedMTL().weights(g @ g.T), theirs, rtol=1e-6, atol=1e-9)


def test_aligned_gradients_are_orthogonal_and_as_long_as_the_shortest_component() -> None:
    """In single precision too, where one gradient is a ten-thousandth of the other, or they agree."""
    small = torch.tensor([[1.0, 0.0], [0.0, 1e-4]])
    torch.testing.assert_close(AlignedMTL().weights(small @ small.T) @ small, torch.tensor([5e-5, 5e-5]))
    alike = torch.tensor([[1.0, 0.3], [1.0, 0.3]]) / 3
    torch.testing.assert_close(AlignedMTL().weights(alike @ alike.T), torch.tensor([0.5, 0.5]))
    assert AlignedMTLWeighting()(small @ small.T)[1] == 0  # of a Gramian with rounding


@seeds
@independent
def test_imtl_g_is_the_papers_closed_form(seed: int, tasks: int, dim: int) -> None:
    """``[w_2 … w_T] = g_1 Uᵀ (D Uᵀ)⁻¹`` with rows ``u_1 − u_t`` in U and ``g_1 − g_t`` in D."""
    g = draw(seed, tasks, dim)
    u = g / g.norm(dim=1, keepdim=True)
    across, apart = u[:1] - u[1:], g[:1] - g[1:]
    rest = g[0] @ across.T @ torch.linalg.inv(apart @ across.T)
    expected = torch.cat([1 - rest.sum()[None], rest])
    projections = expected @ g @ u.T
    torch.testing.assert_close(projections, projections[:1].expand(tasks), rtol=1e-6, atol=1e-9)
    if projections[0] < 0:
        expected = torch.full_like(expected, 1 / tasks)
    torch.testing.assert_close(IMTLG().weights(g @ g.T), expected, rtol=1e-6, atol=1e-8)


def test_imtl_g_never_goes_uphill_for_all() -> None:
    """Some of these Gramians' equal projections are below zero; then it is the mean."""
    found = set()
    for seed in range(40):
        g = draw(seed, 3, 3)
        w = IMTLG().weights(g @ g.T)
        found.add(bool(torch.allclose(w, torch.full_like(w, 1 / 3))))
        assert bool(w.isfinite().all())
        assert (w @ g @ g.T / g.norm(dim=1)).max() > -1e-9
    assert found == {True, False}


@seeds
@independent
def test_nash_mtl_solves_the_papers_equation(seed: int, tasks: int, dim: int) -> None:
    """``Gᵀ G w = 1/w``: every task gains ``w_t g_t·d = 1``, and the step has length √T."""
    g = draw(seed, tasks, dim)
    w = NashMTL().weights(g @ g.T)
    d = w @ g
    assert bool((w > 0).all())
    torch.testing.assert_close(w * (g @ d), torch.ones_like(w), rtol=1e-7, atol=1e-7)
    assert d.norm().item() == pytest.approx(math.sqrt(tasks), rel=1e-7)


def vaccine(g: Tensor, aims: list[list[float]], beta: float, orders: Sequence[Sequence[int]]) -> Tensor:
    """Wang 2021, algorithm 1, on the gradients themselves."""
    total = torch.zeros_like(g[0])
    for i, order in enumerate(orders):
        own = g[i].clone()
        for j in order:
            if j == i:
                continue
            phi, aim = float(own @ g[j] / (own.norm() * g[j].norm())), aims[i][j]
            if phi < aim:
                top = own.norm() * (aim * math.sqrt(1 - phi**2) - phi * math.sqrt(1 - aim**2))
                own = own + top / (g[j].norm() * math.sqrt(1 - aim**2)) * g[j]
                assert float(own @ g[j] / (own.norm() * g[j].norm())) == pytest.approx(aim, abs=1e-9)
            aims[i][j] = (1 - beta) * aim + beta * phi
        total += own
    return total


@pytest.mark.parametrize("beta", [0.01, 0.5])
def test_gradvac_is_the_papers_loop_over_several_steps(beta: float) -> None:
    tasks, dim = 4, 6
    rule, aims = GradVac(beta=beta), [[0.0] * 4 for _ in range(4)]
    rule.bind("abcd")
    for step in range(6):
        g = draw(step, tasks, dim)
        torch.manual_seed(step)
        orders = [torch.randperm(tasks).tolist() for _ in range(tasks)]
        torch.manual_seed(step)
        torch.testing.assert_close(rule.weights(g @ g.T) @ g, vaccine(g, aims, beta, orders))
        torch.testing.assert_close(rule.similarities, torch.tensor(aims, dtype=torch.float64))


def test_gradvac_keeps_a_similarity_for_each_pair_of_tasks() -> None:
    """⚑ An inactive task's stay as they are, and the others' are found again under their names."""
    rule, two = GradVac(beta=0.5), GradVac(beta=0.5)
    rule.bind("abc")
    two.bind("ac")
    for step in range(4):
        g = draw(step, 2, 5)
        torch.manual_seed(step)
        here = rule.weights_of(g @ g.T, (True, False, True))
        torch.manual_seed(step)
        torch.testing.assert_close(here, two.weights(g @ g.T))
    assert bool((rule.similarities[1] == 0).all())
    assert bool((rule.similarities[:, 1] == 0).all())
    torch.testing.assert_close(rule.similarities[[0, 2]][:, [0, 2]], two.similarities)
    assert bool((two.similarities != 0).any())


def test_gradvac_of_gradients_that_always_agreed_stays_finite() -> None:
    rule = GradVac(beta=1.0)
    rule.bind("ab")
    rule.weights(torch.ones(2, 2))
    assert rule.similarities[0, 1] == 1
    assert rule.weights(torch.tensor([[1.0, -1.0], [-1.0, 1.0]])).abs().max() < 1e4


def test_pcgrad_and_gradvac_are_the_same_at_first() -> None:
    g = draw(3, 2, 4)
    rule = create_balancing("gradvac")
    rule.bind("ab")
    torch.testing.assert_close(rule.weights(g @ g.T), create_balancing("pcgrad").weights(g @ g.T))


ORTHOGONAL: dict[str, Callable[[int], float]] = {
    "aligned_mtl": lambda t: 1 / t,
    "cagrad": lambda t: 1.4 / t,
    "gradvac": lambda t: 1.0,
    "imtl_g": lambda t: 1 / t,
    "mgda": lambda t: 1 / t,
    "nash_mtl": lambda t: 1.0,
    "pcgrad": lambda t: 1.0,
    "upgrad": lambda t: 1 / t,
}


@pytest.mark.parametrize("name", ORTHOGONAL)
@pytest.mark.parametrize("tasks", [2, 5])
def test_orthogonal_gradients_of_length_one_get_the_papers_weights(name: str, tasks: int) -> None:
    rule = create_balancing(name)
    rule.bind(range(tasks))  # type: ignore[arg-type]
    torch.testing.assert_close(rule.weights(torch.eye(tasks)), torch.full((tasks,), ORTHOGONAL[name](tasks)))
