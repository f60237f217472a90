"""`Cells` for genomes of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sennit.data import Batch, View
from sennit.encoders.types import TapInfo
from sennit.fusion import Cells, FusedEncoder, create_fusion
from sennit.fusion.cell import ACTIVATIONS, create_operator, list_operators
from sennit.fusion.cell.genome import MERGES, Cell, Genome
from sennit.tasks import Classification, MultiTaskModel, Regression, create_balancing
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.testing import fusion_kit as kit
from tests.contracts.test_fusions import CHECKS
from tests.parts import MODALITIES, every_subset_of, make_encoders, make_view

TASKS = ("y", "z")


def make_genome(operator: str = "concat", merge: str = "intermediate", *, skip: bool = True) -> Genome:
    """Three cells over three modalities: all of them, one of them, none."""
    encoders = make_encoders(MODALITIES)
    taps = {m: [t.name for t in e.tap_info] for m, e in encoders.items()}
    cells = (
        Cell(tuple((m, taps[m][0]) for m in MODALITIES), operator, "tanh"),
        Cell(((MODALITIES[1], "pooled"),), operator, "leaky_relu", skip),
        Cell((), "concat", "sigmoid", skip),
    )
    beta = 0.5 if merge == "multiplicative" else None
    return Genome(MODALITIES, cells, 8, merge, beta, reads={"z": 1})


GENOMES = {f"{o}": make_genome(o) for o in list_operators()} | {m: make_genome(merge=m) for m in MERGES}
each = pytest.mark.parametrize("genome", GENOMES.values(), ids=GENOMES)


def make_fused(genome: Genome) -> FusedEncoder:
    encoders = make_encoders(MODALITIES, dropout=0.1)
    return FusedEncoder(encoders, create_fusion("cells", encoders, genome=genome.to_dict()))


@each
@pytest.mark.parametrize("check", CHECKS)
def test_contract(check: Callable[[FusedEncoder, View], None], genome: Genome) -> None:
    check(make_fused(genome), make_view(14))


@each
def test_every_subset(genome: Genome) -> None:
    kit.check_every_subset(make_fused(genome), every_subset_of(MODALITIES))


@each
def test_a_model_trains_and_keeps_its_genome(genome: Genome, tmp_path: Path) -> None:
    encoders = make_encoders(MODALITIES)
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("cells", encoders, genome=genome.to_dict()),
        tasks={"y": Classification(3), "z": Regression()},
        modality_dropout=0.0,
    )
    view = make_view(6)
    targets = {"y": torch.arange(6) % 3, "z": torch.randn(6, 1)}
    batch = Batch.of(view.inputs, masks=view.masks, present=view.present, targets=targets)
    model.loss(batch)[0].backward()
    balanced_loss(model, create_balancing("pcgrad"), batch)[0].backward()
    model.eval().save_pretrained(tmp_path / "model")
    again = MultiTaskModel.from_pretrained(tmp_path / "model")
    fusion = again.fused_encoder.fusion
    assert isinstance(fusion, Cells)
    assert fusion.genome == genome
    for task, out in model(view).items():
        assert torch.equal(out.logits, again(view)[task].logits)


def test_tasks_read_from_the_cells_that_the_genome_says() -> None:
    genome = make_genome()
    fused, view = make_fused(genome).eval(), make_view(6, missing=False)
    short = FusedEncoder(
        dict(fused.encoders.items()),
        create_fusion(
            "cells",
            dict(fused.encoders.items()),
            genome=replace(genome, cells=genome.cells[:2], reads={}).to_dict(),
        ),
    ).eval()
    short.fusion.load_state_dict(
        {k: v for k, v in fused.fusion.state_dict().items() if not k.startswith("cells.2")}
    )
    assert torch.equal(fused(view).readouts["z"], short(view).pooled)
    assert not torch.equal(fused(view).readouts["z"], fused(view).pooled)


@pytest.mark.parametrize("name", list_operators())
def test_zeros_stand_for_an_input_that_a_cell_does_not_have(name: str) -> None:
    operator = create_operator(name)
    u = torch.randn(2, 5, operator.blocks, 4)
    padded = torch.cat([u, torch.zeros_like(u[:1])])
    there = torch.tensor([True, True, False])[:, None].expand(3, 5)
    for act in ACTIVATIONS.values():
        expected = operator.combine([u], None, act, 4)
        torch.testing.assert_close(operator.combine([padded[:1], padded[1:]], there, act, 4), expected)


@pytest.mark.parametrize("name", list_operators())
def test_with_one_input_an_operator_is_its_activation(name: str) -> None:
    operator = create_operator(name)
    u = torch.randn(1, 5, operator.blocks, 4)
    block = u[0].sum(1) if name == "low_rank" else u[0, :, 2 if name == "attention" else 0]
    torch.testing.assert_close(operator.combine([u], None, torch.tanh, 4), block.tanh())


@pytest.mark.parametrize("name", list_operators())
def test_operator_against_its_formula_in_plain_loops(name: str) -> None:
    operator, inputs, width = create_operator(name), 3, 4
    u = torch.randn(inputs, operator.blocks, width, dtype=torch.float64)
    expected = torch.empty(width, dtype=torch.float64)
    for i in range(width):
        column = u[:, :, i]
        if name == "concat":
            value = sum(float(column[k, 0]) for k in range(inputs))
            expected[i] = max(value, 0)
        elif name == "sum":
            expected[i] = sum(max(float(column[k, 0]), 0) for k in range(inputs))
        elif name in ("hadamard", "low_rank"):
            total = 0.0
            for r in range(operator.blocks):
                product = 1.0
                for k in range(inputs):
                    product *= 1 + float(column[k, r])
                total += product - 1
            expected[i] = max(total, 0)
        elif name == "gated":
            share = [float(column[k, 1].exp()) for k in range(inputs)]
            expected[i] = sum(z / sum(share) * max(float(column[k, 0]), 0) for k, z in enumerate(share))
        else:
            total = 0.0
            for q in range(inputs):
                dots = [float(u[q, 0] @ u[k, 1]) / width**0.5 for k in range(inputs)]
                e = [torch.tensor(d).exp().item() for d in dots]
                total += sum(w / sum(e) * float(column[k, 2]) for k, w in enumerate(e)) / inputs
            expected[i] = max(total, 0)
    torch.testing.assert_close(operator.combine([u], None, torch.relu, 4), expected, rtol=1e-5, atol=1e-7)


def test_the_plain_chain_is_the_fusion_of_mfas() -> None:
    encoders = make_encoders(MODALITIES[:2])
    fusion = create_fusion("cells", encoders, embed_dim=8)
    assert isinstance(fusion, Cells)
    taps = {m: {t.name: torch.randn(5, t.dim) for t in e.tap_info} for m, e in encoders.items()}
    taps = {m: own | {"pooled": torch.randn(5, encoders[m].embed_dim)} for m, own in taps.items()}
    h = None
    for cell, layer in zip(fusion.genome.cells, fusion.cells, strict=True):
        inputs = [taps[m][tap] for m, tap in cell.inputs] + ([] if h is None else [h])
        weights = [linear.weight for linear in layer.taps] + ([] if h is None else [layer.state.weight])
        bias = sum(linear.bias for linear in layer.taps) + (0 if h is None else layer.state.bias)
        h = torch.relu(torch.cat(inputs, 1) @ torch.cat(weights, 1).T + bias)
    torch.testing.assert_close(fusion.fuse(taps).pooled, h)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modalities": ("a", "b")}, "modalities"),
        ({"cells": (Cell((("table", "blok1"),)),), "reads": {}}, "unknown tap of 'table'.*blok1"),
        ({"cells": (Cell((("table", "pooled"),), "concatt"),), "reads": {}}, "unknown operator.*concat"),
        ({"cells": (Cell((("table", "pooled"),), "sum", "rel"),), "reads": {}}, "unknown activation.*relu"),
    ],
)
def test_a_genome_that_does_not_fit_is_refused_by_name(changes: dict[str, object], message: str) -> None:
    encoders = make_encoders(MODALITIES)
    with pytest.raises(ValueError, match=message):
        create_fusion("cells", encoders, genome=replace(make_genome(), **changes).to_dict())


@pytest.mark.parametrize("name", ["pooled", "none"])
def test_a_tap_with_a_name_that_means_something_else_is_refused(name: str) -> None:
    """``pooled`` was replaced by the embedding without a word, ``none`` doubled a gene of the search."""
    with pytest.raises(ValueError, match=f"a tap should not be called '{name}'"):
        TapInfo(name, 4, "BC")
