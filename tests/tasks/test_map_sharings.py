"""Tasks that read the fused map, under every sharing: served by its own column, or refused by name."""

from __future__ import annotations

import copy
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from sennit.data import Batch
from sennit.tasks import (
    Classification,
    DenseRegression,
    MultiTaskModel,
    Segmentation,
    Task,
    create_sharing,
    list_sharings,
)
from sennit.tasks.shipping.fixed_modalities import FixedModel
from sennit.testing import fusion_kit
from tests.parts import make_batch, make_model

IMAGES = ("colour", "depth")
SIZE, SHAPE = 6, (8, 12)
OPTIONS: dict[str, dict[str, Any]] = {"mtan": {"encoders": True}}
SERVES = [n for n in list_sharings() if create_sharing(n, **OPTIONS.get(n, {})).shares_maps]
REFUSES = sorted(set(list_sharings()) - set(SERVES))
APART = {
    "cross_stitch": {"self_weight": 1.0},
    "nddr_cnn": {"self_weight": 1.0},
    "sluice": {"self_weight": 1.0, "last": 1.0, "orthogonality": 0.0},
}
"""Options with which the networks start separate."""


def tasks() -> dict[str, Task]:
    return {"seg": Segmentation(3), "far": DenseRegression(), "y": Classification(3)}


def make(name: str, fusion: str = "concat", **options: Any) -> MultiTaskModel:
    sharing = create_sharing(name, **{**OPTIONS.get(name, {}), **options})
    return make_model(fusion, tasks(), modalities=IMAGES, sharing=sharing)


def batch(**more: Any) -> Batch:
    targets = {
        "seg": torch.randint(0, 3, (SIZE, *SHAPE)),
        "far": torch.rand(SIZE, *SHAPE) + 0.5,
        "y": torch.arange(SIZE) % 3,
    }
    return make_batch(SIZE, IMAGES, targets=targets, **more)


COMMON = {"hard", "mean_regularized"}
"""Sharings in which all tasks read one map."""


def test_what_serves_a_map_is_hard_mtan_and_what_has_encoders_for_each_task() -> None:
    apart = {"cross_stitch", "mtan", "nddr_cnn", "sluice", "soft_l2", "trace_norm"}
    assert set(SERVES) == COMMON | apart


@pytest.mark.parametrize("name", REFUSES)
def test_a_sharing_of_vectors_is_refused_by_name(name: str) -> None:
    with pytest.raises(TypeError, match=f"'seg' reads the fused map, and sharing '{name}' acts on the fused"):
        make(name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hard", {"depth": 1}),
        ("hard", {"trunk": {"name": "mlp"}}),
        ("mtan", {"encoders": False}),
        ("cross_stitch", {"trunk": {"name": "mlp"}}),
    ],
)
def test_so_is_one_over_a_trunk(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"'seg' reads the fused map, and sharing '{name}' acts on the fused"):
        make(name, **options)


@pytest.mark.parametrize("name", SERVES)
def test_each_dense_task_reads_the_map_of_its_column(name: str) -> None:
    model, data = make(name).eval(), batch()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    features = model.features(data)
    maps = [features.sources[t][""] for t in ("seg", "far")]
    for t, x in zip(("seg", "far"), maps, strict=True):
        assert x is features.fused[t].map
        assert x.shape == (SIZE, 6, 4, 6)
    assert (maps[0] is maps[1]) == (name in COMMON)
    assert torch.allclose(*maps) == (name in COMMON)
    for t in ("seg", "far"):
        torch.testing.assert_close(model.features(data, [t]).sources[t][""], features.sources[t][""])


@pytest.mark.parametrize("fusion", ["gated", "mmtm"])
@pytest.mark.parametrize("name", SERVES)
def test_gradients_reach_all_that_a_task_reads(name: str, fusion: str) -> None:
    """All but the vectors' fusion in the columns of tasks that read maps, and the converse."""
    model = make(name, fusion)
    model.loss(batch())[0].backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())]
    unread = ("columns.0.fusion.", "columns.1.fusion.", "columns.2.fusion.map_fusion.", "columns.2.encoders.")
    assert all(n.startswith(unread) and ".exchange" not in n for n in idle), idle
    assert not [n for n in idle if n.startswith("columns.2.encoders.") and ".pyramid." not in n]
    assert not [n for n in idle if n.startswith(("columns.0.fusion.map", "columns.1.fusion.map"))]
    fusion_kit.assert_finite_gradients(model)


def test_a_column_computes_the_maps_that_its_task_reads() -> None:
    columns = make("cross_stitch").fused_encoders
    assert [column.fusion.keeps_map for column in columns] == [True, True, False]
    assert [column.encoders["depth"].keeps_map for column in columns] == [True, True, False]
    assert make("hard").fused_encoder.fusion.keeps_map


@pytest.mark.parametrize("name", SERVES)
def test_what_is_absent_reaches_no_map(name: str) -> None:
    model, data = make(name), batch()
    inputs = {m: x.clone() for m, x in data.inputs.items()}
    for m, x in inputs.items():
        x[~data.present[m]] = torch.nan
    found = []
    for one in (data, data.replaced(inputs=inputs)):
        again = copy.deepcopy(model)
        loss, _ = again.loss(one)
        loss.backward()
        found.append((loss, {n: p.grad for n, p in again.named_parameters()}))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


@pytest.mark.parametrize("name", SERVES)
def test_a_modality_absent_from_the_whole_batch(name: str) -> None:
    model, data = make(name), batch(missing=False)
    for m in IMAGES:
        present = data.present | {m: torch.zeros(SIZE, dtype=torch.bool)}
        loss, _ = model.loss(data.replaced(present=present, all_present=False))
        loss.backward()
        assert bool(loss.isfinite())
        fusion_kit.assert_finite_gradients(model)


@pytest.mark.parametrize("name", APART)
def test_the_identity_is_separate_networks(name: str) -> None:
    model, data = make(name, **APART[name]).eval(), batch()
    with torch.no_grad():
        for p in model.columns.parameters():
            p.add_(0.1 * torch.randn_like(p))

    def alone(position: int) -> Tensor:
        found = model.fused_encoders[position](data).map
        assert found is not None
        return found

    features = model.features(data)
    for position, task in enumerate(("seg", "far")):
        # In evaluation a fresh BatchNorm divides by the root of 1 + 1e-5, once after each stage.
        torch.testing.assert_close(features.sources[task][""], alone(position), rtol=1e-3, atol=1e-3)


def test_exported_without_the_first_image_it_answers_at_the_size_of_the_other() -> None:
    model, data = make("mtan", "mean").eval(), batch(missing=False)
    exported = FixedModel(model, ("depth",))
    exported.leave_out()
    absent = {"colour": torch.zeros(SIZE, dtype=torch.bool)}
    expected = model(data.replaced(present=data.present | absent, all_present=False))
    with patch("torch.compiler.is_compiling", return_value=True):  # as while a graph is traced
        found = exported({"depth": data.inputs["depth"]})
    for name, scores in found.items():
        torch.testing.assert_close(scores, model.tasks[name].scores(expected[name].logits))
