"""Checks of an encoder whose samples are padded, absent, or without one valid step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from unittest.mock import patch

import torch
from torch import Tensor

from sennit.encoders import Encoder
from sennit.encoders.present_rows import encode_present_rows
from sennit.testing.encoder_outputs import (
    assert_close,
    assert_finite,
    assert_finite_gradients,
    encode,
    loss_of,
)


def check_padding_invariance(encoder: Encoder, samples: Sequence[Tensor], *, padding: int = 0) -> None:
    """Check that samples padded together, with garbage in the padding, give what they give alone."""
    encoder.eval()
    length = max(map(len, samples)) + padding
    garbage = float("nan") if samples[0].is_floating_point() else 10**6
    x = samples[0].new_full((len(samples), length, *samples[0].shape[1:]), garbage)
    mask = torch.zeros(len(samples), length, dtype=torch.bool)
    for row, sample in enumerate(samples):
        x[row, : len(sample)] = sample
        mask[row, : len(sample)] = True
    together = encode(encoder, x, mask)
    for row, sample in enumerate(samples):
        alone = encode(encoder, sample.unsqueeze(0), None)
        assert_close(together.pooled[row], alone.pooled[0])
        for tap in encoder.tap_info:
            if tap.layout == "BC":
                assert_close(together.taps[tap.name][row], alone.taps[tap.name][0])
        timed = [t.name for t in encoder.tap_info if t.layout == "BTC"]
        has_tokens = encoder.token_dim is not None
        pairs = [(together.tokens, together.mask, alone.tokens)] if has_tokens else []
        pairs += [(together.taps[n], together.tap_masks[n], alone.taps[n]) for n in timed]
        for padded, valid, plain in pairs:
            assert padded is not None
            assert valid is not None
            assert plain is not None
            assert_close(padded[row][valid[row]], plain[0])
            assert not padded[row][~valid[row]].any(), "padding should be zero after the encoder"


def check_absent_rows(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that garbage in absent rows reaches nothing, in every present/absent subset."""
    encoder.eval()
    x, mask = x[:3], None if mask is None else mask[:3]
    garbage = float("nan") if x.is_floating_point() else 10**6
    if encoder.input_spec.allows_nan:
        garbage = float("inf")
    for subset, compiled in itertools.product(itertools.product([False, True], repeat=len(x)), [False, True]):
        present = torch.tensor(subset)
        values = torch.where(present.view(-1, *[1] * (x.dim() - 1)), x, garbage)
        if x.is_floating_point():
            values.requires_grad_()
        valid = None if mask is None else mask & present.unsqueeze(1)
        encoder.zero_grad()
        with patch("torch.compiler.is_compiling", return_value=compiled):
            out = encode_present_rows(encoder, values, valid, present, all_present=False)
        assert_finite(out)
        assert not out.pooled[~present].any()
        assert out.map is None or not out.map[~present].any()
        if out.tokens is not None and not present.all():
            assert out.mask is not None
            assert not out.mask[~present].any()
        if present.any():
            alone = encode(encoder, x[present], None if mask is None else mask[present])
            assert_close(out.pooled[present], alone.pooled)
            if out.map is not None and alone.map is not None:
                assert_close(out.map[present], alone.map)
        if not out.pooled.requires_grad:
            continue
        torch.autograd.backward(loss_of(out))
        assert_finite_gradients(encoder, values)
        if values.grad is not None:
            assert not values.grad[~present].any()


def check_all_masked(encoder: Encoder, x: Tensor, mask: Tensor) -> None:
    """Check that a row without one valid step stays finite, values and gradients."""
    mask = mask.clone()
    mask[0] = False
    x = x.clone().requires_grad_(x.is_floating_point())
    encoder.eval().zero_grad()
    out = encode(encoder, x, mask)
    assert_finite(out)
    torch.autograd.backward(loss_of(out))
    assert_finite_gradients(encoder, x)


def check_statistics_without_absent_rows(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that training leaves the same statistics whether rows are absent or were never in the batch."""
    present = torch.arange(len(x)) % 2 == 0
    garbage = torch.where(present.view(-1, *[1] * (x.dim() - 1)), x, 10**3)
    state = {n: v.clone() for n, v in encoder.state_dict().items()}
    torch.manual_seed(0)
    encode_present_rows(encoder.train(), garbage, mask, present, all_present=False)
    with_absent = {n: v.clone() for n, v in encoder.state_dict().items()}
    encoder.load_state_dict(state)
    torch.manual_seed(0)
    encode(encoder, x[present], None if mask is None else mask[present])
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, with_absent[name]), f"absent rows reach '{name}'"
    one = torch.arange(len(x)) == 1
    for _ in range(3):
        encode_present_rows(
            encoder, garbage.where(~one.view(-1, *[1] * (x.dim() - 1)), x), mask, one, all_present=False
        )
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, with_absent[name]), f"a single present row moves '{name}'"
