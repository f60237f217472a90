"""Properties of the genetic operators."""

from __future__ import annotations

import numpy as np
import pytest

from sennit.search.variation import crossover, mutate
from tests.search.landscape import make_space

SPACES = [make_space(), make_space("abc", ("y", "z"), cells=2), make_space("a", cells=1)]


@pytest.fixture(params=range(20))
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


@pytest.mark.parametrize("space", SPACES)
def test_each_group_of_a_child_comes_from_one_parent(space, rng):
    first, second = space.sample(rng), space.sample(rng)
    child = crossover(space, first, second, rng)
    space.check(child)
    for group in space.groups:
        own = [child[name] for name in group]
        assert own in ([first[name] for name in group], [second[name] for name in group])


@pytest.mark.parametrize("space", SPACES)
def test_mixed_within_cells_each_gene_still_comes_from_a_parent(space, rng):
    first, second = space.sample(rng), space.sample(rng)
    child = crossover(space, first, second, rng, within=1.0)
    space.check(child)
    assert all(child[name] in (first[name], second[name]) for name in child)


def test_both_parents_give_with_equal_chances():
    space = SPACES[0]
    first = {name: choices[0] for name, choices in space.genes.items()}
    second = {name: choices[-1] for name, choices in space.genes.items()}
    rng = np.random.default_rng(0)
    children = [crossover(space, first, second, rng) for _ in range(400)]
    for name in space.genes:
        assert 150 < sum(child[name] == first[name] for child in children) < 250


def test_equal_parents_have_an_equal_child(rng):
    genes = SPACES[0].sample(rng)
    assert crossover(SPACES[0], genes, genes, rng, within=0.5) == genes


@pytest.mark.parametrize("space", SPACES)
def test_mutation_makes_another_net_and_leaves_the_parent_alone(space, rng):
    genes = space.sample(rng)
    before = dict(genes)
    child = mutate(space, genes, rng)
    space.check(child)
    assert space.decode(child) != space.decode(genes)
    assert genes == before


def test_mutation_changes_one_gene_where_that_is_enough():
    space = make_space("a", cells=1, operators=["concat"], merges=["late"], betas=[1.0])
    rng = np.random.default_rng(0)
    genes = {**space.sample(rng), "cell0.tap.a": "block1", "cell0.skip": False}
    alive = set()
    for _ in range(60):
        child = mutate(space, genes, rng)
        changed = {name for name in genes if child[name] != genes[name]}
        assert len(changed - {"cell0.skip"}) == 1  # the skip of a first cell has no consequence
        alive |= changed
    assert alive == {"cell0.tap.a", "cell0.activation", "cell0.skip", "width"}


def test_mutation_reaches_every_other_choice_about_equally():
    space = make_space(
        "a", cells=1, activations=["relu"], operators=["concat"], widths=[8, 16, 32, 64], merges=["late"]
    )
    rng = np.random.default_rng(0)
    genes = {**space.sample(rng), "width": 16, "cell0.tap.a": "block1"}
    drawn = [mutate(space, genes, rng)["width"] for _ in range(1200)]
    counts = [drawn.count(width) for width in (8, 32, 64)]
    assert max(counts) < 1.3 * min(counts)


def test_where_there_is_one_net_alone_mutation_ends():
    space = make_space(
        "a", cells=1, activations=["relu"], operators=["concat"], widths=[8], merges=["early"], betas=[1.0]
    )
    rng = np.random.default_rng(0)
    genes = {**space.sample(rng), "cell0.tap.a": "pooled"}
    space.check(mutate(space, genes, rng))
