"""Checks of an encoder's sizes, gradients, config, order, precision, errors and stages."""

from __future__ import annotations

import copy
import json

import torch
from torch import Tensor

from sennit.encoders import Encoder, StagedEncoder
from sennit.encoders.present_rows import encode_present_rows
from sennit.testing.encoder_outputs import (
    AXES,
    assert_close,
    assert_finite,
    assert_finite_gradients,
    assert_same,
    check_map,
    check_mask,
    check_taps,
    encode,
    loss_of,
    rebuilt,
    refusal,
    tensor_ids,
)


def check_shapes(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that the output is finite, zero in the padding, and of the promised sizes."""
    out = encode(encoder.eval(), x, mask)
    batch = len(x)
    assert out.pooled.shape == (batch, encoder.embed_dim)
    assert (out.tokens is None) == (encoder.token_dim is None)
    if out.tokens is not None:
        assert out.tokens.shape == (batch, out.tokens.shape[1], encoder.token_dim)
        check_mask(out.tokens, out.mask)
    check_taps(encoder, out, batch)
    check_map(encoder, out, batch)
    for name, tap in out.taps.items():
        if name in out.tap_masks:
            check_mask(tap, out.tap_masks[name])
    if mask is not None:
        assert (out.mask is None) == (out.tokens is None)
        assert set(out.tap_masks) == {t.name for t in encoder.tap_info if t.layout == "BTC"}
    assert_finite(out)


def check_gradient_to_every_parameter(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that a loss on ``pooled`` (and ``map``) moves every parameter, once none is exactly zero."""
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    encoder.eval().zero_grad()
    trained = {n: p for n, p in encoder.named_parameters() if p.requires_grad}
    if not trained:
        return
    out = encode(encoder, x, mask)
    assert out.pooled.requires_grad, f"no gradient reaches {list(trained)}"
    torch.autograd.backward(loss_of(out))
    idle = [n for n, p in trained.items() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert not idle, f"no gradient reaches {idle}"
    assert_finite_gradients(encoder)


def check_state_dict_round_trip(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that ``config`` and the state dict, fitted statistics included, rebuild the same encoder."""
    if type(encoder).fit is not Encoder.fit:
        before = {n: b.clone() for n, b in encoder.named_buffers()}
        encoder.fit(x, mask)
        assert any(not torch.equal(b, before[n]) for n, b in encoder.named_buffers())
    again = rebuilt(encoder)
    again.load_state_dict(encoder.state_dict(), strict=True)
    assert_same(encode(again.eval(), x, mask), encode(encoder.eval(), x, mask))


def check_config_round_trip(encoder: Encoder) -> None:
    """Check that ``config`` survives JSON and makes an encoder with the same parameters, taps and input."""
    again = rebuilt(encoder)
    assert {n: p.shape for n, p in again.named_parameters()} == {
        n: p.shape for n, p in encoder.named_parameters()
    }
    assert (again.tap_info, again.input_spec) == (encoder.tap_info, encoder.input_spec)
    assert again.map_dim == encoder.map_dim
    assert again.config == json.loads(json.dumps(encoder.config))


def check_batch_order_equivariance(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that samples in another order give outputs in that order: no sample sees another."""
    encoder.eval()
    order = torch.arange(len(x)).flip(0)
    turned = encode(encoder, x[order], None if mask is None else mask[order])
    plain = encode(encoder, x, mask)
    assert_close(turned.pooled, plain.pooled[order])
    if plain.map is not None and turned.map is not None:
        assert_close(turned.map, plain.map[order])


def check_determinism(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that the output is the same twice: in eval mode always, in train mode from the same seed."""
    assert_same(encode(encoder.eval(), x, mask), encode(encoder, x, mask))
    outs = []
    for _ in range(2):
        torch.manual_seed(0)
        outs.append(encode(encoder.train(), x, mask))
    assert_same(*outs)


def check_bf16_autocast(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that autocast to bfloat16 gives finite values and gradients, near those of float32."""
    encoder.eval().zero_grad()
    exact = encode(encoder, x, mask).pooled
    with torch.autocast("cpu", torch.bfloat16):
        out = encode(encoder, x, mask)
    assert_finite(out)
    difference = (out.pooled.float() - exact).norm() / exact.norm()
    assert difference < 0.05, f"bfloat16 is {difference:.3f} away"
    if out.pooled.requires_grad:
        torch.autograd.backward(loss_of(out))
        assert_finite_gradients(encoder)


def check_casts(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that an encoder, alone or in a model, reads inputs of any float type, also when it is cast."""
    state = copy.deepcopy(encoder.state_dict())
    exact = encode(encoder.eval(), x, mask).pooled
    present = torch.ones(len(x), dtype=torch.bool)
    for kind in (torch.float64, torch.bfloat16, torch.float16):
        encoder.to(kind)
        out = encode_present_rows(encoder, x, mask, present, all_present=True)
        assert_close(encode(encoder, x, mask).pooled, out.pooled)
        assert_finite(out)
        floats = [out.pooled, out.tokens, out.map, *out.taps.values()]
        assert {v.dtype for v in floats if v is not None} == {kind}
        difference = (out.pooled.double() - exact.double()).norm() / exact.double().norm()
        assert difference < 0.05, f"{kind} is {difference:.3f} away"
        encoder.float().load_state_dict(state)
    if x.is_floating_point():
        assert_close(encode(encoder, x.double(), mask).pooled, exact)


def check_input_errors(encoder: Encoder, x: Tensor) -> None:
    """Check that a batch of the wrong shape or type is refused, with the modality and what was found."""
    spec = encoder.input_spec
    spec.check("m", x)
    for wrong in (x.unsqueeze(-1), x[0]):
        with refusal(ValueError, r"`inputs\['m'\]` should have shape \[batch.*Found \("):
            spec.check("m", wrong)
    other = x.long() if spec.dtype.is_floating_point else x.float()
    with refusal(TypeError, r"`inputs\['m'\]` should be of type .* Found .* Convert (it|other numbers) with"):
        spec.check("m", other)
    assert spec.absent_shape()
    assert len(spec.absent_shape()) == len(spec.shape)


def check_input_level(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that the front reads the same input, and shares all its tensors with the encoder."""
    front = encoder.input_level()
    assert front.input_spec == encoder.input_spec
    assert front.tap_info == ()
    assert tensor_ids(front) <= tensor_ids(encoder), "the front holds tensors that are not the encoder's"


def check_staged(encoder: StagedEncoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that stem, stages and finish, run one by one, give what forward gives."""
    encoder.eval()
    assert len(encoder.stages) == len(encoder.tap_info)
    hidden, valid = encoder.stem(x, mask)
    taps, tap_masks = {}, {}
    for level, info in enumerate(encoder.tap_info):
        hidden, valid = encoder.run_stage(level, hidden, valid)
        assert hidden.dim() == AXES[info.layout]
        taps[info.name] = hidden
        if valid is not None:
            tap_masks[info.name] = valid
    assert_same(encoder.finish(taps, tap_masks), encoder(x, mask))


def check_empty_output(encoder: Encoder) -> None:
    """Check that the output for a modality absent from the whole batch has the promised shapes, and zeros."""
    out = encoder.empty_output(2, device=torch.device("cpu"))
    assert out.pooled.shape == (2, encoder.embed_dim)
    assert not out.pooled.any()
    assert (out.tokens is None) == (encoder.token_dim is None)
    if out.tokens is not None:
        assert out.tokens.shape == (2, 1, encoder.token_dim)
        assert out.mask is not None
        assert not out.mask.any()
    check_taps(encoder, out, 2)
    check_map(encoder, out, 2)
