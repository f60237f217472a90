"""What holds for every registered strategy, and the properties of each."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from sennit.encoders import create_encoder
from sennit.search.population import propose
from sennit.search.records import Evaluation, Proposal, Record
from sennit.search.space import Space
from sennit.search.strategies import create_strategy, list_strategies
from tests.search.landscape import Landscape, make_space, run

OPTIONS = {"mfas": {"pool": 64, "steps": 4}}
SPACES = {
    "two modalities": make_space(),
    "three modalities, two tasks": make_space("abc", ("y", "z")),
    "early alone": make_space(cells=2, merges=("early",)),
    "one modality, one cell": make_space("a", cells=1),
}
TINY = Space.of(
    {"a": create_encoder("mlp", 3)},
    ["y"],
    cells=1,
    operators=["concat"],
    activations=["relu"],
    widths=[8],
    merges=["intermediate"],
)  # of three nets: two taps and the embedding


def make(name):
    return create_strategy(name, **OPTIONS.get(name, {}))


def everything(genome):
    return True


@pytest.fixture(params=list_strategies())
def name(request):
    return request.param


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_proposals_are_of_the_space_and_none_twice(name, space):
    history = run(make(name), space, Landscape(space).record, generations=5, population=8)
    proposals = [record.proposal for record in history]
    for proposal in proposals:
        space.check(proposal.genes)
        assert space.decode(proposal.genes) == proposal.genome
        assert proposal.parent is None or proposal.parent[0] < proposal.slot[0]
    assert [proposal.slot for proposal in proposals] == [(g, i) for g in range(5) for i in range(8)]
    assert len({proposal.genome.key for proposal in proposals}) == len(proposals)


def test_a_search_that_was_killed_proposes_the_same_again(name):
    """A fresh strategy, and one that has served another search, agree with one that has lived through it."""
    space = SPACES["two modalities"]
    lived, used = make(name), make(name)
    history = run(lived, space, Landscape(space).record, generations=5, population=8)
    run(used, space, Landscape(space, seed=1).record, generations=7, population=8, seed=1)
    for generation in (5, 3):
        before = history[: generation * 8]
        copies = [Record(r.proposal, r.evaluation, r.values, r.costs) for r in before]
        expected = propose(lived, space, before, generation, population=8, seed=0, admit=everything)
        for strategy in (used, make(name)):
            assert (
                propose(strategy, space, copies, generation, population=8, seed=0, admit=everything)
                == expected
            )
    assert [r.proposal for r in history[24:32]] == expected


def test_another_seed_gives_other_proposals(name):
    space = SPACES["two modalities"]
    new = [propose(make(name), space, [], 0, population=8, seed=s, admit=everything) for s in (0, 1)]
    assert not {p.genome for p in new[0]} & {p.genome for p in new[1]}


def test_budgets_are_held(name):
    space = SPACES["two modalities"]
    land = Landscape(space)
    history = run(
        make(name),
        space,
        land.record,
        generations=4,
        population=8,
        admit=lambda genome: land.parameters(genome) <= 20_000,
    )
    assert max(record.costs["parameters"] for record in history) <= 20_000


def test_a_budget_that_nothing_meets_is_named(name):
    with pytest.raises(ValueError, match=r"`budgets` should admit one of 128 genomes .* Found none"):
        propose(make(name), SPACES["two modalities"], [], 0, population=4, seed=0, admit=lambda genome: False)


def test_an_exhausted_space_still_answers(name):
    history = run(make(name), TINY, Landscape(TINY).record, generations=4, population=4)
    genomes = [record.proposal.genome.key for record in history]
    assert len(genomes) == 16
    assert len(set(genomes[:4])) == len(set(genomes)) == 3  # what is new comes first


@pytest.mark.parametrize("values", [(math.inf, math.inf), (math.nan, 1.0), (math.inf, 5.0)])
def test_diverged_candidates_are_survived(name, values):
    space = SPACES["two modalities"]
    land = Landscape(space)

    def some(proposal):
        record = land.record(proposal)
        return dataclasses.replace(record, values=values) if proposal.slot[1] % 2 else record

    def all_(proposal):
        return dataclasses.replace(land.record(proposal), values=values)

    assert len(run(make(name), space, some, generations=4, population=8)) == 32
    assert len(run(make(name), space, all_, generations=4, population=8)) == 32


@pytest.mark.parametrize("objectives", [1, 3])
def test_one_or_three_objectives_work_as_well(name, objectives):
    space = SPACES["two modalities"]
    land = Landscape(space)

    def record(proposal):
        full = land.record(proposal)
        return dataclasses.replace(full, values=(*full.values, float(proposal.genome.width))[:objectives])

    assert len(run(make(name), space, record, generations=4, population=8)) == 32


def test_genetic_is_above_random_past_a_quarter_of_the_budget():
    space = SPACES["two modalities"]
    errors = {}
    for name in ("random", "genetic"):
        runs = [
            run(
                make(name),
                space,
                Landscape(space, seed, 0.0).record,
                generations=12,
                population=16,
                seed=seed,
            )
            for seed in range(5)
        ]
        best = [np.minimum.accumulate([record.values[0] for record in history]) for history in runs]
        errors[name] = np.mean(best, axis=0)
    assert (errors["genetic"] <= errors["random"])[63:].all()  # from the end of the generation past a quarter


def test_genetic_children_are_of_the_elite():
    """With elites that dominate all else, every parent is one of them, generations later too."""
    space = SPACES["two modalities"]
    land = Landscape(space)

    def record(proposal):
        rank = 0.0 if proposal.slot[0] == 1 else 1.0 + proposal.slot[0]
        return dataclasses.replace(land.record(proposal), values=(rank, rank))

    strategy = create_strategy("genetic", random_generations=1)
    history = run(strategy, space, record, generations=5, population=8)
    assert {r.proposal.parent[0] for r in history if r.proposal.slot[0] >= 2} == {1}
    assert {r.proposal.parent[0] for r in history if r.proposal.slot[0] == 1} == {0}


def test_genetic_needs_two_parents():
    with pytest.raises(ValueError, match="`population` should be at least 2"):
        propose(make("genetic"), TINY, [], 0, population=1, seed=0, admit=everything)


def test_genetic_prints_nothing_and_leaves_optunas_logging_as_it_was(capfd):
    from optuna import logging

    before = logging.get_verbosity()
    run(
        make("genetic"), SPACES["two modalities"], Landscape(make_space()).record, generations=3, population=4
    )
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == before


def test_in_regularised_evolution_the_oldest_die_however_good():
    space = SPACES["two modalities"]
    land = Landscape(space)

    def record(proposal):  # the older, the better
        values = (float(proposal.slot[0]), 0.0)
        return dataclasses.replace(land.record(proposal), values=values)

    strategy = create_strategy("regularised_evolution", queue=16, sample=64)
    history = run(strategy, space, record, generations=6, population=8)
    for proposal in (r.proposal for r in history[8:]):
        oldest = max(proposal.slot[0] - 2, 0)
        assert proposal.parent[0] == oldest


def test_a_tournament_of_one_is_a_uniform_draw_of_the_queue():
    space = SPACES["two modalities"]
    history = run(make("random"), space, Landscape(space).record, generations=2, population=4)
    draw = create_strategy("regularised_evolution", queue=4, sample=1).prepare(
        space, history, 2, population=4, seed=0
    )
    slots = [draw(np.random.default_rng(i)).parent for i in range(200)]
    assert set(slots) == {(1, i) for i in range(4)}


def test_mfas_temperature_falls_at_every_step():
    strategy = create_strategy("mfas", steps=9, t_max=10.0, t_min=0.2)
    temperatures = [strategy.temperature(generation) for generation in range(9)]
    assert temperatures[0] == 10.0
    assert temperatures[-1] == pytest.approx(0.2)
    assert all(a > b for a, b in itertools.pairwise(temperatures))
    assert strategy.temperature(50) == pytest.approx(0.2)


@pytest.mark.parametrize("tasks", [("y",), ("y", "z")])
def test_mfas_grows_a_cell_a_generation(tasks):
    space = make_space(tasks=tasks, widths=(16, 32, 64))
    history = run(make("mfas"), space, Landscape(space).record, generations=7, population=8)
    by_slot = {record.proposal.slot: record.proposal for record in history}
    sizes = [[len(r.proposal.genome.cells) for r in history[g * 8 : g * 8 + 8]] for g in range(7)]
    assert [max(own) for own in sizes] == [1, 2, 3, 1, 2, 3, 1]
    for proposal in by_slot.values():
        if len(proposal.genome.cells) > 1 and proposal.parent:
            parent = by_slot[proposal.parent].genome
            assert proposal.parent[0] == proposal.slot[0] - 1
            assert proposal.genome.cells[: len(parent.cells)] == parent.cells
            assert proposal.genome.width == parent.width


def test_mfas_tries_every_unfolding_where_there_are_few():
    """Of its own space, each one-cell fusion can be drawn, and none that is known already."""
    space = make_space(
        "a", cells=2, operators=["concat"], activations=["relu", "tanh"], widths=[8], merges=["intermediate"]
    )
    strategy = create_strategy("mfas")
    first = propose(strategy, space, [], 0, population=2, seed=0, admit=everything)
    draw = strategy.prepare(space, [], 0, population=2, seed=0)
    drawn = {space.decode(draw(np.random.default_rng(i)).genes) for i in range(6)}
    assert len(drawn) == 3 * 2  # two taps and the embedding, two activations
    assert all(len(genome.cells) == 1 for genome in drawn)
    history = [Landscape(space).record(proposal) for proposal in first]
    draw = strategy.prepare(space, history, 2, population=2, seed=0)
    again = {space.decode(draw(np.random.default_rng(i)).genes) for i in range(4)}
    assert again == drawn - {proposal.genome for proposal in first}


def test_mfas_draws_what_its_surrogate_finds_good():
    space = SPACES["two modalities"]

    def record(proposal):
        error = 0.1 if proposal.genome.cells[-1].activation == "tanh" else 0.9
        return Record(proposal, Evaluation({"y": error}, 1, 0.0), (error,))

    history = run(make("random"), space, record, generations=6, population=16)
    shares = []
    for generation in (0, 18):  # both of level 1
        draw = create_strategy("mfas", pool=256).prepare(space, history, generation, population=16, seed=0)
        drawn = [space.decode(draw(np.random.default_rng(i)).genes) for i in range(24)]
        shares.append(np.mean([genome.cells[-1].activation == "tanh" for genome in drawn]))
    assert shares[0] < 0.6  # hot: nearly uniform over four activations
    assert shares[1] > 0.9


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("genetic", {"crossover": 1.5}, "`crossover` should be a probability"),
        ("genetic", {"random_generations": 0}, "`random_generations` should be 1 or more. Found 0"),
        ("regularised_evolution", {"sample": 0}, "`sample` should be at least 1"),
        ("mfas", {"t_min": 0.0}, "`t_min` should be positive"),
        ("mfas", {"t_max": 0.1}, "`t_max` should not be below `t_min`"),
    ],
)
def test_bad_options_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        create_strategy(name, **options)


def test_a_proposal_is_keyed_by_its_slot_alone():
    """Candidate 3 is the same whatever the size of its generation."""
    space = SPACES["two modalities"]
    few = propose(make("random"), space, [], 0, population=4, seed=0, admit=everything)
    many = propose(make("random"), space, [], 0, population=8, seed=0, admit=everything)
    assert many[:4] == few
    assert isinstance(few[3], Proposal)
