"""Every registered fusion against the contract, with one, two and three modalities."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounter

from sennit.data import View
from sennit.encoders import create_encoder
from sennit.fusion import FUSIONS, FusedEncoder, create_fusion, list_fusions
from sennit.testing import fusion_kit as kit
from tests.parts import MODALITIES, every_subset_of, make_encoders, make_view

EXAMPLES: dict[str, dict[str, Any]] = {
    "additive": {},
    "attention": {},
    "boosted": {"delta": 0.5},
    "bottleneck": {"heads": 2, "num_bottlenecks": 2},
    "cells": {},
    "central_net": {},
    "concat": {},
    "correlated_layers": {},
    "cross_attention": {"heads": 2, "depth": 1},
    "dynamic": {},
    "early_concat": {},
    "early_mutual_information": {"features": 5},
    "early_pca": {"features": 5},
    "early_tokens": {"heads": 2, "depth": 1},
    "film": {},
    "gated": {},
    "granger_clusters": {"width": 4},
    "latent_product": {"beta": 0.5},
    "learned_weights": {},
    "low_rank": {"rank": 3},
    "majority_vote": {},
    "max": {},
    "mean": {},
    "mean_log_probability": {},
    "mean_logit": {},
    "mean_probability": {},
    "mfb": {"factors": 2},
    "mmtm": {},
    "mulmix": {},
    "multiplicative": {},
    "multiplicative_interactions": {},
    "mutan": {"core_dim": 6, "rank": 2},
    "perceiver": {"heads": 2, "latents": 2},
    "product_of_experts": {},
    "similar_units": {},
    "stacked_autoencoders": {"depth": 2},
    "stacking": {},
    "sum": {},
    "tensor_fusion": {"max_dim": 4},
}
CHECKS = [
    kit.check_shapes,
    kit.check_modality_weights_sum_to_one,
    kit.check_gradient_to_every_parameter,
    kit.check_config_and_state_round_trip,
    kit.check_batch_order_equivariance,
    kit.check_absent_inputs_reach_nothing,
    kit.check_absent_outputs_reach_nothing,
    kit.check_padding_invariance,
    kit.check_determinism,
    kit.check_bf16_autocast,
    kit.check_casts,
]

each = pytest.mark.parametrize("name", EXAMPLES)


MAPS = ("colour", "depth")
"""Two images with maps, of unlike depth and width."""

FUSES_MAPS = [name for name in EXAMPLES if FUSIONS.get(name).fuses_maps]
RULES = {n for n in FUSES_MAPS if FUSIONS.get(n).stage == "decision"} - {"mean_probability", "mulmix"}
"""Fusions that differ from another by their rule alone, which sees no map."""


def make_fused(name: str, modalities: tuple[str, ...] = MODALITIES, *, dropout: float = 0.1) -> FusedEncoder:
    encoders = make_encoders(modalities, dropout=dropout)
    return FusedEncoder(encoders, create_fusion(name, encoders, embed_dim=8, **EXAMPLES[name]))


def test_every_fusion_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_fusions())


@each
@pytest.mark.parametrize("check", CHECKS)
def test_three_modalities(check: Callable[[FusedEncoder, View], None], name: str) -> None:
    check(make_fused(name), make_view(14))


@pytest.mark.parametrize("name", sorted(set(FUSES_MAPS) - RULES))
@pytest.mark.parametrize("check", CHECKS)
def test_maps(check: Callable[[FusedEncoder, View], None], name: str) -> None:
    check(make_fused(name, MAPS), make_view(12, MAPS))


@pytest.mark.parametrize("name", FUSES_MAPS)
def test_every_subset_of_maps(name: str) -> None:
    kit.check_every_subset(make_fused(name, MAPS), every_subset_of(MAPS))


@pytest.mark.parametrize("name", ["central_net", "early_concat", "gated", "mmtm", "mulmix"])
def test_one_graph_fuses_maps_of_every_subset(name: str) -> None:
    fused, view = make_fused(name, MAPS).eval(), every_subset_of(MAPS)
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(fused, fullgraph=True, backend=counter)
    order = torch.arange(view.batch_size).roll(1)
    for other in (view, view.replaced(present={m: p[order] for m, p in view.present.items()})):
        out, expected = compiled(other), fused(other)
        for field, value in kit.values_of(expected).items():
            torch.testing.assert_close(kit.values_of(out)[field], value, msg=field)
    assert counter.frame_count == 1


@each
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("check", [kit.check_shapes, kit.check_absent_inputs_reach_nothing])
def test_fewer_modalities(check: Callable[[FusedEncoder, View], None], name: str, count: int) -> None:
    check(make_fused(name, MODALITIES[:count]), make_view(6, MODALITIES[:count]))


@each
@pytest.mark.parametrize("count", [1, 2])
def test_gradient_to_every_parameter_of_smaller_fusions(name: str, count: int) -> None:
    view = every_subset_of(MODALITIES[:count], rows=4)  # one modality: only the empty subset lacks it
    kit.check_gradient_to_every_parameter(make_fused(name, MODALITIES[:count]), view)


@each
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_subset(name: str, count: int) -> None:
    modalities = MODALITIES[:count]
    kit.check_every_subset(make_fused(name, modalities), every_subset_of(modalities))


@each
def test_modality_absent_from_the_whole_batch(name: str) -> None:
    fused, view = make_fused(name).eval(), make_view(6, missing=False)
    for left in itertools.combinations(MODALITIES, 2):
        hidden = view.restrict(left)
        out = fused(hidden)
        kit.assert_finite(out)
        fused.zero_grad()
        kit.loss_of(out).backward()
        kit.assert_finite_gradients(fused)


@each
def test_each_of_five_modalities_counts_at_first(name: str) -> None:
    options = {k: v for k, v in EXAMPLES[name].items() if k not in ("features", "width")}
    encoders = {f"m{i}": create_encoder("mlp", 4, width=8, embed_dim=6, dropout=0.0) for i in range(5)}
    fused = FusedEncoder(encoders, create_fusion(name, encoders, embed_dim=40, **options))
    kit.check_each_modality_counts_at_first(fused, View.of({m: torch.randn(64, 4) for m in encoders}))


@each
def test_one_present_row_over_repeated_steps_moves_no_statistics(name: str) -> None:
    """⚑ Two copies of one row have no variance: running variances shrank with each such batch."""
    frames: dict[str, Any] = {"features": "frames", "num_features": 2, "widths": (4,) * 5, "embed_dim": 6}
    encoders = {"table": make_encoders(("table",))["table"], "speech": create_encoder("xvector", **frames)}
    fused = FusedEncoder(encoders, create_fusion(name, encoders, embed_dim=8, **EXAMPLES[name])).train()
    x = {"table": torch.randn(4, 3), "speech": torch.randn(4, 9, 2)}
    view = View.of(x, present={"table": torch.ones(4).bool(), "speech": torch.arange(4) == 2})
    speech = encoders["speech"]
    before = {n: b.clone() for n, b in speech.named_buffers() if "running" in n or "tracked" in n}
    assert before
    for _ in range(3):
        fused(view)
    after = dict(speech.named_buffers())
    assert [n for n, b in before.items() if not torch.equal(b, after[n])] == []


WHOLE = {(FUSIONS.get(n).stage, FUSIONS.get(n).needs): n for n in EXAMPLES}.values()
"""One of each kind: what reads `View.all_present` is code that all of a kind share."""


def test_a_fused_encoder_compiles_to_one_graph() -> None:
    fused, view = make_fused("gated").eval(), make_view(7)
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(fused, fullgraph=True, backend=counter)
    order = torch.arange(7).roll(3)
    for other in (view, view.replaced(present={m: p[order] for m, p in view.present.items()})):
        torch.testing.assert_close(compiled(other).pooled, fused(other).pooled)
    assert counter.frame_count == 1


INNER = [n for n in EXAMPLES if n not in list_fusions(stage="decision")]
OUTER = [n for n in EXAMPLES if n not in (*list_fusions(stage="early"), "mmtm")]

ONCE = {n for n in EXAMPLES if n in {*list_fusions(stage="late"), *list_fusions(stage="decision")}}
ONCE -= {"concat", "gated", "low_rank", "mean_probability"}
ONCE |= {"correlated_layers", "dynamic", "early_mutual_information", "early_pca", "granger_clusters"}
ONCE |= {"similar_units", "stacked_autoencoders"}
PAIRS = [(i, o) for i in INNER for o in OUTER if i == "gated" or o == "gated" or not {i, o} & ONCE]
"""Those that read and give what others do stand once inside and once outside."""


@pytest.mark.parametrize(("inner", "outer"), PAIRS)
def test_fusions_nest(inner: str, outer: str) -> None:
    pair = make_encoders(("table", "series"))
    fused = FusedEncoder(pair, create_fusion(inner, pair, embed_dim=8, **EXAMPLES[inner]))
    trio = {"pair": fused, **make_encoders(("image",))}
    nested = FusedEncoder(trio, create_fusion(outer, trio, embed_dim=8, **EXAMPLES[outer]))
    assert nested.modalities == MODALITIES
    for check in (
        kit.check_shapes,
        kit.check_gradient_to_every_parameter,
        kit.check_config_and_state_round_trip,
        kit.check_absent_inputs_reach_nothing,
        kit.check_batch_order_equivariance,
        kit.check_padding_invariance,
    ):
        check(nested, make_view(14))
    kit.check_every_subset(nested, every_subset_of(MODALITIES))


@pytest.mark.parametrize("outer", ["early_concat", "early_tokens", "granger_clusters", "mmtm"])
def test_what_reads_inside_an_encoder_refuses_a_fused_one_by_name(outer: str) -> None:
    pair = make_encoders(("table", "series"))
    trio = {"pair": FusedEncoder(pair, create_fusion("gated", pair)), **make_encoders(("image",))}
    with pytest.raises(TypeError, match=r"FusedEncoder"):
        FusedEncoder(trio, create_fusion(outer, trio))


@pytest.mark.parametrize("inner", list_fusions(stage="decision"))
def test_a_nested_decision_fusion_is_refused_by_name(inner: str) -> None:
    pair = make_encoders(("table", "series"))
    trio = {"pair": FusedEncoder(pair, create_fusion(inner, pair)), **make_encoders(("image",))}
    with pytest.raises(TypeError, match=f"'pair'.*'{inner}'.*outermost"):
        FusedEncoder(trio, create_fusion("concat", trio))
