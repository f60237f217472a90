"""Genes, the genomes that they decode to, and what is equal."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sennit.fusion.cell.genome import MERGES, Cell, Genome
from sennit.search import Space
from sennit.search.batched.candidate import Candidate
from tests.search.problem import make_encoders, make_space, make_tasks

SPACE = make_space()
seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, space: Space = SPACE) -> dict[str, object]:
    return dict(space.sample(np.random.default_rng(seed)))


@given(seeds)
def test_every_draw_decodes_and_builds(seed: int) -> None:
    genes = draw(seed)
    SPACE.check(genes)
    assert list(genes) == list(SPACE.genes)
    Candidate(SPACE.decode(genes), SPACE, make_tasks())


@given(seeds)
def test_encoding_is_a_right_inverse_of_decoding(seed: int) -> None:
    genome = SPACE.decode(draw(seed))
    assert SPACE.decode(SPACE.encode(genome)) == genome


@given(seeds)
def test_json_round_trip_keeps_genome_and_key(seed: int) -> None:
    genome = SPACE.decode(draw(seed))
    again = Genome.from_json(json.dumps(json.loads(genome.to_json())))
    assert (again, again.key, hash(again)) == (genome, genome.key, hash(genome))


@given(seeds, st.data())
def test_genes_of_no_consequence_leave_the_genome_alone(seed: int, data: st.DataObject) -> None:
    """Two sets of genes with unlike genomes are unlike nets: no gene that matters is dropped either."""
    genes = draw(seed)
    name = data.draw(st.sampled_from(list(genes)))
    other = {**genes, name: data.draw(st.sampled_from(SPACE.genes[name]))}
    one, two = (Candidate(SPACE.decode(g), SPACE, make_tasks()).eval() for g in (genes, other))
    if one.fusion.genome == two.fusion.genome:
        return
    for module in (one, two):
        torch.manual_seed(0)
        with torch.no_grad():
            for p in module.parameters():
                p.uniform_(-0.5, 0.5)
    taps = {m: {t: torch.randn(6, d) for t, d in own.items()} for m, own in SPACE.taps.items()}
    outs = [torch.cat([out.flatten() for out, _ in module(taps).values()]) for module in (one, two)]
    assert outs[0].shape != outs[1].shape or not torch.equal(*outs)


def test_what_cannot_matter_has_no_trace() -> None:
    genes = draw(3) | {"merge": "early", "width": 8, "cell0.tap.a": "none", "cell0.tap.b": "none"}
    genes |= {"cell1.tap.a": "pooled", "cell1.tap.b": "block1", "reads.y": 2, "reads.z": 2, "reads.m": 2}
    genome = SPACE.decode(genes)
    changes = [{"cell0.operator": "gated"}, {"cell2.tap.a": "block2"}, {"beta": 2.0}, {"cell0.skip": True}]
    changes += [{"cell1.skip": True}, {"cell2.operator": "attention"}, {"cell0.activation": "tanh"}]
    assert all(SPACE.decode(genes | change) == genome for change in changes)
    assert [len(cell.inputs) for cell in genome.cells] == [2, 0]
    assert genome.merge == "early"
    assert (
        SPACE.decode(genes | {"cell2.tap.a": "none", "cell2.tap.b": "none", "merge": "intermediate"})
        == genome
    )


def test_a_modality_can_be_discarded() -> None:
    genes = draw(0) | {f"cell{i}.tap.b": "none" for i in range(3)} | {"cell0.tap.a": "block1"}
    genome = SPACE.decode(genes)
    assert (genome.used, genome.unused) == (("a",), ("b",))


def test_genes_that_read_nothing_read_every_embedding() -> None:
    nothing = {name: "none" for name in SPACE.genes if ".tap." in name}
    assert SPACE.decode(draw(1) | nothing).cells[0].inputs == (("a", "pooled"), ("b", "pooled"))


def test_the_space_of_mfas_is_contained() -> None:
    """All taps, σ of a linear map of the concatenation, the state before, one output."""
    space = make_space(
        operators=["concat"], activations=["relu", "sigmoid"], merges=["intermediate"], betas=[1.0]
    )
    cells = (
        Cell((("a", "block1"), ("b", "block2")), "concat", "sigmoid"),
        Cell((("a", "block2"), ("b", "block1")), "concat", "relu"),
    )
    genome = Genome(("a", "b"), cells, 12)
    assert space.decode(space.encode(genome)) == genome


def test_one_task_has_no_gene_for_where_it_reads() -> None:
    space = Space.of(make_encoders(), ["y"], cells=3)
    assert not any(name.startswith("reads") for name in space.genes)
    assert len(space.genes) == 3 * 5 + 3
    assert sum(map(len, space.groups)) == len(space.genes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operators": ["concatt"]}, "unknown operator 'concatt'. Did you mean 'concat'"),
        ({"activations": ["rel"]}, "unknown activation 'rel'. Did you mean 'relu'"),
        ({"merges": ["latee"]}, "unknown merge 'latee'. Did you mean 'late'"),
        ({"widths": []}, "gene 'width' should have at least one choice"),
        ({"cells": 0}, "at least one cell, one task and one encoder. Found 0 cells"),
    ],
)
def test_a_choice_that_nobody_knows_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        make_space(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widht": 8}, "unknown gene 'widht'. Did you mean 'width'"),
        ({"width": 9}, "gene 'width' should be one of"),
    ],
)
def test_genes_of_another_space_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        SPACE.decode(draw(0) | change)
    genes = draw(0)
    del genes["beta"]
    with pytest.raises(ValueError, match="should hold 'beta'"):
        SPACE.decode(genes)


@pytest.mark.parametrize(
    "change",
    [
        {"cells": ()},
        {"merge": "latee"},
        {"beta": 1.0},
        {"merge": "multiplicative"},
        {"cells": (Cell(()),)},
        {"reads": {"y": 7}},
    ],
)
def test_a_genome_that_says_nothing_sensible_is_refused(change: dict[str, object]) -> None:
    genome = Genome(("a",), (Cell((("a", "pooled"),)),), 8)
    with pytest.raises(ValueError, match=r"should|alone"):
        replace(genome, **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dictionary of a genome"):
        Genome.from_dict({"cells": []})
    assert set(MERGES) >= {genome.merge}
