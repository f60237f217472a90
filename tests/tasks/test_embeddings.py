"""Losses of embeddings against loops in float64 written from their papers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.tasks import LiftedStructure, NPair, SoftNearestNeighbour, Triplet
from sennit.tasks.metric._embedding import EmbeddingTask

MARGIN, PENALTY, TEMPERATURE = 0.7, 0.05, 0.6
Rows = list[list[float]]


def square(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def positives(y: list[int], i: int) -> list[int]:
    return [j for j in range(len(y)) if j != i and y[j] == y[i]]


def negatives(y: list[int], i: int) -> list[int]:
    return [j for j in range(len(y)) if y[j] != y[i]]


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def all_triplets(x: Rows, y: list[int], i: int) -> float:
    pairs = [(p, n) for p in positives(y, i) for n in negatives(y, i)]
    return mean([max(0.0, MARGIN + square(x[i], x[p]) - square(x[i], x[n])) for p, n in pairs])


def hardest(x: Rows, y: list[int], i: int, *, soft: bool = False) -> float:
    if not positives(y, i) or not negatives(y, i):
        return 0.0
    far = max(square(x[i], x[p]) for p in positives(y, i))
    near = min(square(x[i], x[n]) for n in negatives(y, i))
    return math.log(1 + math.exp(far - near)) if soft else max(0.0, MARGIN + far - near)


def lifted(x: Rows, y: list[int], i: int) -> float:
    costs = []
    for j in positives(y, i):
        far = [math.exp(MARGIN - square(x[a], x[k]) ** 0.5) for a in (i, j) for k in negatives(y, a)]
        if far:
            costs.append(max(0.0, math.log(sum(far)) + square(x[i], x[j]) ** 0.5) ** 2 / 2)
    return mean(costs)


def n_pair(x: Rows, y: list[int], i: int) -> float:
    def product(j: int) -> float:
        return sum(a * b for a, b in zip(x[i], x[j], strict=True))

    far = negatives(y, i)
    costs = [
        math.log(1 + sum(math.exp(product(n) - product(p)) for n in far)) for p in positives(y, i) if far
    ]
    return mean(costs) + PENALTY * sum(a * a for a in x[i])


def neighbours(x: Rows, y: list[int], i: int) -> float:
    if not positives(y, i):
        return 0.0
    near = {j: math.exp(-square(x[i], x[j]) / TEMPERATURE) for j in range(len(y)) if j != i}
    return -math.log(sum(near[j] for j in positives(y, i)) / sum(near.values()))


CASES: dict[str, tuple[Callable[[], EmbeddingTask], Callable[[Rows, list[int], int], float], bool]] = {
    "triplet, all": (lambda: Triplet(3, margin=MARGIN, mining="all"), all_triplets, True),
    "triplet, hard": (lambda: Triplet(3, margin=MARGIN, mining="hard"), hardest, True),
    "triplet, soft": (
        lambda: Triplet(3, mining="hard", soft=True),
        lambda x, y, i: hardest(x, y, i, soft=True),
        True,
    ),
    "lifted_structure": (lambda: LiftedStructure(3, margin=MARGIN), lifted, True),
    "n_pair": (lambda: NPair(3, penalty=PENALTY), n_pair, False),
    "soft_nearest_neighbour": (
        lambda: SoftNearestNeighbour(3, temperature=TEMPERATURE),
        neighbours,
        True,
    ),
}
each = pytest.mark.parametrize("name", CASES)


def batch(seed: int, size: int, classes: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, generator=random), torch.randint(classes, (size,), generator=random)


@each
def test_the_loss_is_the_papers(name: str) -> None:
    make, loop, unit = CASES[name]
    for seed, (size, classes) in enumerate([(9, 3), (9, 2), (6, 5), (3, 1), (2, 9), (1, 1)]):
        x, y = batch(seed, size, classes)
        rows = (F.normalize(x.double(), dim=1) if unit else x.double()).tolist()
        expected = torch.tensor([loop(rows, y.tolist(), i) for i in range(size)])
        torch.testing.assert_close(make().loss(x, y).detach(), expected, rtol=1e-4, atol=1e-5)


@each
def test_gradients_are_finite_where_samples_are_equal_or_alone(name: str) -> None:
    make = CASES[name][0]
    for y in ([0, 0, 1, 1], [0, 1, 2, 3], [0, 0, 0, 0]):
        x = torch.ones(4, 3, requires_grad=True)
        make().loss(x, torch.tensor(y)).sum().backward()
        assert x.grad is not None
        assert bool(x.grad.isfinite().all())


@each
def test_it_brings_classes_together(name: str) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(24, 8), torch.arange(24) % 4
    x[torch.arange(24), y] += 4
    task, head = CASES[name][0](), torch.nn.Linear(8, 3)
    optimizer = torch.optim.Adam([*head.parameters(), *task.parameters()], lr=0.03)
    before = task.loss(head(x), y).mean().item()
    for _ in range(80):
        optimizer.zero_grad()
        task.loss(head(x), y).mean().backward()
        optimizer.step()
    assert task.loss(head(x), y).mean().item() < 0.9 * before
    assert task.score(head(x).detach(), y, torch.ones(24, dtype=torch.bool)) > 0.9


def test_a_learned_temperature_stays_in_its_range() -> None:
    task = SoftNearestNeighbour(3)
    with torch.no_grad():
        task.log_temperature.fill_(-50.0)
    task.after_step()
    assert float(task.log_temperature.exp().detach()) == pytest.approx(1e-3)
    assert not [*SoftNearestNeighbour(3, learns_temperature=False).parameters()]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Triplet(mining="hardest"), "Did you mean 'hard'"),  # type: ignore[arg-type]
        (lambda: Triplet(soft=True), "`soft` should go with `mining='hard'`"),
        (lambda: LiftedStructure(margin=0.0), "`margin` should be more than 0"),
        (lambda: NPair(penalty=-1.0), "`penalty` should be 0 or more"),
        (lambda: SoftNearestNeighbour(temperature=0.0), "`temperature` should be above 0"),
        (lambda: NPair(0), "`size` should be 1 or more"),
    ],
)
def test_refusals(make: Callable[[], EmbeddingTask], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
