"""What every encoder owes to what is built on it, as plain functions that raise AssertionError.

Each takes an encoder, most a batch ``x`` with its ``mask`` (None where the modality has no time axis).
An encoder of your own passes the same checks: call them from a test of yours.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from unittest.mock import patch

import pytest
import torch
from sennit.encoders import ENCODERS, Encoder, EncoderOutput, StagedEncoder
from sennit.encoders.present_rows import encode_present_rows
from torch import Tensor, nn

AXES = {"BCHW": 4, "BTC": 3, "BC": 2}


def check_shapes(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """The output is as `embed_dim`, `token_dim` and `tap_info` promise, finite, and zero in the padding."""
    out = _encode(encoder.eval(), x, mask)
    batch = len(x)
    assert out.pooled.shape == (batch, encoder.embed_dim)
    assert (out.tokens is None) == (encoder.token_dim is None)
    if out.tokens is not None:
        assert out.tokens.shape == (batch, out.tokens.shape[1], encoder.token_dim)
        _check_mask(out.tokens, out.mask)
    _check_taps(encoder, out, batch)
    for name, tap in out.taps.items():
        if name in out.tap_masks:
            _check_mask(tap, out.tap_masks[name])
    if mask is not None:
        assert out.mask is not None
        assert set(out.tap_masks) == {t.name for t in encoder.tap_info if t.layout == "BTC"}
    _assert_finite(out)


def check_gradient_to_every_parameter(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """A loss on ``pooled`` alone moves every parameter, once none is exactly zero as some begin."""
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    encoder.eval().zero_grad()
    _loss(_encode(encoder, x, mask).pooled).backward()
    idle = [n for n, p in encoder.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert not idle, f"no gradient reaches {idle}"
    assert all(bool(p.grad.isfinite().all()) for p in encoder.parameters() if p.grad is not None)


def check_state_dict_round_trip(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """An encoder made from ``config`` and the state dict, fitted statistics included, gives the same."""
    if type(encoder).fit is not Encoder.fit:
        before = {n: b.clone() for n, b in encoder.named_buffers()}
        encoder.fit(x, mask)
        assert any(not torch.equal(b, before[n]) for n, b in encoder.named_buffers())
    again = _rebuilt(encoder)
    again.load_state_dict(encoder.state_dict(), strict=True)
    _assert_same(_encode(again.eval(), x, mask), _encode(encoder.eval(), x, mask))


def check_config_round_trip(encoder: Encoder) -> None:
    """``config`` survives JSON and makes an encoder with the same parameters, taps and input."""
    again = _rebuilt(encoder)
    assert {n: p.shape for n, p in again.named_parameters()} == {
        n: p.shape for n, p in encoder.named_parameters()
    }
    assert (again.tap_info, again.input_spec) == (encoder.tap_info, encoder.input_spec)
    assert again.config == json.loads(json.dumps(encoder.config))


def check_padding_invariance(encoder: Encoder, samples: Sequence[Tensor], *, padding: int = 0) -> None:
    """Padded together, with garbage in the padding, samples give what they give alone."""
    encoder.eval()
    length = max(map(len, samples)) + padding
    garbage = float("nan") if samples[0].is_floating_point() else 10**6
    x = samples[0].new_full((len(samples), length, *samples[0].shape[1:]), garbage)
    mask = torch.zeros(len(samples), length, dtype=torch.bool)
    for row, sample in enumerate(samples):
        x[row, : len(sample)] = sample
        mask[row, : len(sample)] = True
    together = _encode(encoder, x, mask)
    for row, sample in enumerate(samples):
        alone = _encode(encoder, sample.unsqueeze(0), None)
        _assert_close(together.pooled[row], alone.pooled[0])
        for tap in encoder.tap_info:
            if tap.layout == "BC":
                _assert_close(together.taps[tap.name][row], alone.taps[tap.name][0])
        timed = [t.name for t in encoder.tap_info if t.layout == "BTC"]
        pairs = [(together.tokens, together.mask, alone.tokens)]
        pairs += [(together.taps[n], together.tap_masks[n], alone.taps[n]) for n in timed]
        for padded, valid, plain in pairs:
            assert padded is not None
            assert valid is not None
            assert plain is not None
            _assert_close(padded[row][valid[row]], plain[0])
            assert not padded[row][~valid[row]].any(), "padding should be zero after the encoder"


def check_batch_order_equivariance(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Samples in another order give outputs in that order: no sample sees another."""
    encoder.eval()
    order = torch.arange(len(x)).flip(0)
    turned = _encode(encoder, x[order], None if mask is None else mask[order])
    _assert_close(turned.pooled, _encode(encoder, x, mask).pooled[order])


def check_absent_rows(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """In every present/absent subset, packed or compiled, garbage in absent slots reaches nothing."""
    encoder.eval()
    x, mask = x[:3], None if mask is None else mask[:3]
    garbage = float("nan") if x.is_floating_point() else 10**6
    if encoder.input_spec.allows_nan:
        garbage = float("inf")
    for subset, compiled in itertools.product(itertools.product([False, True], repeat=len(x)), [False, True]):
        present = torch.tensor(subset)
        slots = torch.where(present.view(-1, *[1] * (x.dim() - 1)), x, garbage)
        if x.is_floating_point():
            slots.requires_grad_()
        valid = None if mask is None else mask & present.unsqueeze(1)
        encoder.zero_grad()
        with patch("torch.compiler.is_compiling", return_value=compiled):
            out = encode_present_rows(encoder, slots, valid, present, all_present=False)
        _assert_finite(out)
        assert not out.pooled[~present].any()
        if out.tokens is not None and not present.all():
            assert out.mask is not None
            assert not out.mask[~present].any()
        if present.any():
            alone = _encode(encoder, x[present], None if mask is None else mask[present])
            _assert_close(out.pooled[present], alone.pooled)
        if not out.pooled.requires_grad:
            continue
        _loss(out.pooled).backward()
        grads = [slots.grad, *(p.grad for p in encoder.parameters())]
        assert all(bool(g.isfinite().all()) for g in grads if g is not None)
        if slots.grad is not None:
            assert not slots.grad[~present].any()


def check_all_masked(encoder: Encoder, x: Tensor, mask: Tensor) -> None:
    """A row without one valid step stays finite, values and gradients."""
    mask = mask.clone()
    mask[0] = False
    x = x.clone().requires_grad_(x.is_floating_point())
    encoder.eval().zero_grad()
    out = _encode(encoder, x, mask)
    _assert_finite(out)
    _loss(out.pooled).backward()
    grads = [x.grad, *(p.grad for p in encoder.parameters())]
    assert all(bool(g.isfinite().all()) for g in grads if g is not None)


def check_determinism(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """The same twice: in eval mode always, in train mode from the same seed."""
    _assert_same(_encode(encoder.eval(), x, mask), _encode(encoder, x, mask))
    outs = []
    for _ in range(2):
        torch.manual_seed(0)
        outs.append(_encode(encoder.train(), x, mask))
    _assert_same(*outs)


def check_bf16_autocast(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Under autocast to bfloat16 values and gradients are finite, and values near those of float32."""
    encoder.eval().zero_grad()
    exact = _encode(encoder, x, mask).pooled
    with torch.autocast("cpu", torch.bfloat16):
        out = _encode(encoder, x, mask)
    _assert_finite(out)
    difference = (out.pooled.float() - exact).norm() / exact.norm()
    assert difference < 0.05, f"bfloat16 is {difference:.3f} away"
    if out.pooled.requires_grad:
        _loss(out.pooled.float()).backward()
        assert all(bool(p.grad.isfinite().all()) for p in encoder.parameters() if p.grad is not None)


def check_input_errors(encoder: Encoder, x: Tensor) -> None:
    """A batch of the wrong shape or type is refused with the modality, what holds and what was found."""
    spec = encoder.input_spec
    spec.check("m", x)
    for wrong in (x.unsqueeze(-1), x[0]):
        with pytest.raises(ValueError, match=r"`inputs\['m'\]` should have shape \[batch.*Found \("):
            spec.check("m", wrong)
    other = x.long() if spec.dtype.is_floating_point else x.float()
    with pytest.raises(TypeError, match=r"`inputs\['m'\]` should be of type .* Found .* Convert it"):
        spec.check("m", other)
    assert spec.absent_shape()
    assert len(spec.absent_shape()) == len(spec.shape)


def check_input_level(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """The front reads the same input, and owns nothing but what it shares with the encoder."""
    front = encoder.input_level()
    assert front.input_spec == encoder.input_spec
    assert front.tap_info == ()
    own, shared = _tensors(front), _tensors(encoder)
    assert own <= shared, "the front holds tensors that are not the encoder's"


def check_staged(encoder: StagedEncoder, x: Tensor, mask: Tensor | None) -> None:
    """Stem, stages and finish, run by hand, give what forward gives."""
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
    _assert_same(encoder.finish(taps, tap_masks), encoder(x, mask))


def check_empty_output(encoder: Encoder) -> None:
    """What stands for a modality absent from the whole batch: the shapes promised, and zeros."""
    out = encoder.empty_output(2, device=torch.device("cpu"))
    assert out.pooled.shape == (2, encoder.embed_dim)
    assert not out.pooled.any()
    assert (out.tokens is None) == (encoder.token_dim is None)
    if out.tokens is not None:
        assert out.tokens.shape == (2, 1, encoder.token_dim)
        assert out.mask is not None
        assert not out.mask.any()
    _check_taps(encoder, out, 2)


def check_statistics_without_absent_rows(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Training leaves the same statistics whether rows are absent or were never in the batch."""
    present = torch.arange(len(x)) % 2 == 0
    garbage = torch.where(present.view(-1, *[1] * (x.dim() - 1)), x, 10**3)
    state = {n: v.clone() for n, v in encoder.state_dict().items()}
    torch.manual_seed(0)
    encode_present_rows(encoder.train(), garbage, mask, present, all_present=False)
    with_absent = {n: v.clone() for n, v in encoder.state_dict().items()}
    encoder.load_state_dict(state)
    torch.manual_seed(0)
    _encode(encoder, x[present], None if mask is None else mask[present])
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, with_absent[name]), f"absent rows reach '{name}'"


def _encode(encoder: Encoder, x: Tensor, mask: Tensor | None) -> EncoderOutput:
    present = torch.ones(len(x), dtype=torch.bool)
    return encode_present_rows(encoder, x, mask, present, all_present=True)


def _rebuilt(encoder: Encoder) -> Encoder:
    return ENCODERS.build(json.loads(json.dumps(encoder.config)))


def _loss(pooled: Tensor) -> Tensor:
    """A sum with fixed random weights; a plain one is constant after a LayerNorm."""
    return (pooled * torch.randn(pooled.shape, generator=torch.Generator().manual_seed(0))).sum()


def _tensors(module: nn.Module) -> set[int]:
    return {id(t) for t in itertools.chain(module.parameters(), module.buffers())}


def _check_mask(tokens: Tensor, mask: Tensor | None) -> None:
    if mask is not None:
        assert mask.shape == tokens.shape[:2]
        assert mask.dtype == torch.bool
        assert not tokens[~mask].any(), "padding should be zero after the encoder"


def _check_taps(encoder: Encoder, out: EncoderOutput, batch: int) -> None:
    assert list(out.taps) == [t.name for t in encoder.tap_info]
    for info in encoder.tap_info:
        tap = out.taps[info.name]
        channels = tap.shape[1] if info.layout == "BCHW" else tap.shape[-1]
        assert (tap.dim(), len(tap), channels) == (AXES[info.layout], batch, info.dim), info


def _flat(out: EncoderOutput) -> dict[str, Tensor | None]:
    return {"pooled": out.pooled, "tokens": out.tokens, **out.taps}


def _assert_finite(out: EncoderOutput) -> None:
    for name, value in _flat(out).items():
        assert value is None or bool(value.isfinite().all()), f"{name} is not finite"


def _assert_same(one: EncoderOutput, other: EncoderOutput) -> None:
    for (name, a), b in zip(_flat(one).items(), _flat(other).values(), strict=True):
        assert (a is None and b is None) or torch.equal(a, b), f"{name} differs"


def _assert_close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
