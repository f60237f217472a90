"""Checks of a fusion's output, gradients, config and determinism."""

from __future__ import annotations

import copy
import json

import torch

from sennit.data import View
from sennit.fusion import FUSIONS, FusedEncoder, FusionOutput, build_encoders
from sennit.testing.fusion_outputs import (
    assert_finite,
    assert_finite_gradients,
    assert_same,
    backward,
    loss_of,
    values_of,
)


def check_shapes(fused: FusedEncoder, view: View) -> None:
    """Check that the output is finite, with the sizes of ``embed_dim``, ``token_dim`` and ``stage``."""
    fusion, size, count = fused.fusion, view.batch_size, len(fused.encoders)
    out = fused.eval()(view)
    assert isinstance(out, FusionOutput)
    assert out.pooled.shape == (size, fusion.embed_dim)
    assert fused.embed_dim == fusion.embed_dim
    assert out.taps["fused"].shape == out.pooled.shape
    assert (out.tokens is None) == (fusion.token_dim is None)
    if out.tokens is not None:
        assert out.tokens.shape == (size, out.tokens.shape[1], fusion.token_dim)
    check_maps(fused, out, size)
    assert (fusion.stage == "decision") == (out.candidates is not None)
    rules = [r for r in (fusion.rule, fusion.build_rule((3,))) if r is not None]
    assert len(rules) == (fusion.stage == "decision"), "a decision fusion has one rule, no other has any"
    if out.candidates is not None:
        assert out.candidates.shape == (size, fusion.candidates, fusion.embed_dim)
        assert out.candidate_present is not None
        assert out.candidate_present.shape == (size, fusion.candidates)
        assert out.candidate_present.any(1).all()
    if out.modality_weights is not None:
        assert out.modality_weights.shape == (size, count)
    if out.choices is not None:
        assert out.choices.shape == (size, out.choices.shape[1])
        assert bool(((out.choices == 0) | (out.choices == 1)).all())
        assert (out.choices.sum(1) == 1).all()
    read = out.pooled if out.candidates is None else out.candidates
    assert all(x.shape == read.shape for x in out.readouts.values())
    assert {k: v.shape for k, v in out.auxiliary.items()} == {
        k: (size, info.dim) for k, info in fused.auxiliary_info().items()
    }
    assert set(out.auxiliary_present) <= set(out.auxiliary)
    assert all(v.shape == (size,) for v in out.losses.values())
    assert_finite(out)


def check_maps(fused: FusedEncoder, out: FusionOutput, size: int) -> None:
    """Check that the maps of an output are those that ``map_dim`` and the auxiliary vectors promise."""
    fusion = fused.fusion
    assert fused.map_dim == fusion.map_dim
    if out.map is None or fusion.map_dim is None:
        assert (out.map, fusion.map_dim, out.candidate_maps) == (None, None, None)
        return
    assert (out.map.dim(), *out.map.shape[:2]) == (4, size, fusion.map_dim)
    assert (out.candidate_maps is None) == (out.candidates is None)
    if out.candidate_maps is not None:
        expected = (size, fusion.candidates, fusion.map_dim, *out.map.shape[2:])
        assert out.candidate_maps.shape == expected
    assert {k: v.shape for k, v in out.auxiliary_maps.items()} == {
        k: (size, info.map_dim, *out.map.shape[2:]) for k, info in fusion.auxiliary_info.items()
    }


def check_modality_weights_sum_to_one(fused: FusedEncoder, view: View) -> None:
    """Check that the modality weights, where a fusion has any, sum to one over the present modalities."""
    weights = fused.eval()(view).modality_weights
    if weights is None:
        return
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(view.batch_size))
    present = fused.presence(view)
    if present is not None:
        counted = torch.stack([present[m] for m in fused.fusion.modalities], 1)
        absent = ~counted & counted.any(1, keepdim=True)
        assert (weights[absent] == 0).all(), "an absent modality has a weight"


def check_gradient_to_every_parameter(fused: FusedEncoder, view: View) -> None:
    """Check that every parameter of the fusion gets a gradient from a batch with missing samples."""
    fused.eval().zero_grad()
    backward(loss_of(fused(view)))
    idle = [n for n, p in fused.fusion.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert not idle, f"no gradient reaches {idle}"
    assert_finite_gradients(fused)


def check_config_and_state_round_trip(fused: FusedEncoder, view: View) -> None:
    """Check that a fusion rebuilt from its config, through JSON, takes its state and returns the same."""
    encoders = dict(fused.leaves()) if fused.fusion.stage == "early" else dict(fused.encoders.items())
    rebuilt = FUSIONS.build(json.loads(json.dumps(fused.fusion.config)), encoders)
    assert rebuilt.config == json.loads(json.dumps(fused.fusion.config))
    rebuilt.load_state_dict(fused.fusion.state_dict(), strict=True)
    whole = build_encoders([["all", json.loads(json.dumps(fused.config))]])["all"]
    whole.load_state_dict(fused.state_dict(), strict=True)
    expected = fused.eval()(view)
    with torch.no_grad():
        assert torch.equal(rebuilt.eval()(fused.encode(view), fused.presence(view)).pooled, expected.pooled)
        assert_same(whole.eval()(view), expected)


def check_batch_order_equivariance(fused: FusedEncoder, view: View) -> None:
    """Check that samples in another order give outputs in that order: none depends on another."""
    order = torch.randperm(view.batch_size)
    fused.eval()
    expected = {k: v[order] for k, v in values_of(fused(view)).items()}
    for name, value in values_of(fused(view.select(order))).items():
        torch.testing.assert_close(value, expected[name], msg=name)


def check_determinism(fused: FusedEncoder, view: View) -> None:
    """Check that two calls return the same: in eval mode always, in train mode from the same seed."""
    assert_same(fused.eval()(view), fused(view))
    outs = []
    for _ in range(2):
        torch.manual_seed(0)
        outs.append(fused.train()(view))
    assert_same(*outs)


def check_bf16_autocast(fused: FusedEncoder, view: View) -> None:
    """Check that under autocast to bfloat16 all is finite, with values near those of float32."""
    fused.eval().zero_grad()
    exact = fused(view).pooled
    with torch.autocast("cpu", torch.bfloat16):
        out = fused(view)
    assert_finite(out)
    difference = (out.pooled.float() - exact).norm() / exact.norm()
    assert difference < 0.05, f"bfloat16 is {difference:.3f} away"
    backward(loss_of(out))
    assert_finite_gradients(fused)


def check_casts(fused: FusedEncoder, view: View) -> None:
    """Check that encoders and a fusion cast to another type read the same inputs, with values near."""
    exact = fused.eval()(view).pooled.double()
    state = copy.deepcopy(fused.state_dict())
    for kind in (torch.float64, torch.bfloat16, torch.float16):
        out = fused.to(kind)(view)
        assert_finite(out)
        assert out.pooled.dtype == kind
        difference = (out.pooled.double() - exact).norm() / exact.norm()
        assert difference < 0.05, f"{kind} is {difference:.3f} away"
        fused.float().load_state_dict(state)
