"""Checks of what the tokens of an encoder stand for, and of hiding it."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.encoders import Encoder
from sennit.modes import evaluating


def check_token_targets(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that tokens have a target each, and that a hidden one cannot be seen in what is left.

    Args:
        encoder: Encoder; one without targets has to refuse, by its name.
        x: Inputs ``[B, ...]``.
        mask: Valid steps ``[B, T]``.
    """
    encoder.fit(x, mask)
    info = encoder.token_target_info
    if info is None:
        _check_refusal(encoder, x, mask)
        return
    targets, has_target = encoder.token_targets(x, mask)
    with evaluating(encoder), torch.no_grad():
        out = encoder(x, mask)
    assert out.tokens is not None
    assert has_target.shape == out.tokens.shape[:2]
    assert out.mask is None or not bool((has_target & ~out.mask).any()), "padding has no target"
    if info.kind == "classes":
        assert targets.shape == has_target.shape
        assert targets.dtype == torch.long
        assert 0 <= int(targets[has_target].min()) <= int(targets[has_target].max()) < info.dim
    else:
        assert targets.shape == (*has_target.shape, info.dim)
        assert bool(targets.isfinite().all())
    alone = encoder.token_targets(x[:1], None if mask is None else mask[:1])[0]
    torch.testing.assert_close(alone[0], targets[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(encoder.hide_tokens(x, has_target & False), x, rtol=0, atol=0, equal_nan=True)
    _check_hidden(encoder, x, mask, has_target)


def _check_hidden(encoder: Encoder, x: Tensor, mask: Tensor | None, has_target: Tensor) -> None:
    """Check that every value on which a hidden target depends is replaced, and others are kept."""
    order = has_target.float().cumsum(1)
    hidden = has_target & (order >= order.amax(1, keepdim=True) - 1)  # the last two of each row
    before = x.clone()
    changed = encoder.hide_tokens(x, hidden)
    torch.testing.assert_close(x, before, rtol=0, atol=0, equal_nan=True)  # the input itself is kept
    if not x.is_floating_point():
        assert bool((changed != x).any())
        # What stands in the place of hidden units tells nothing of them.
        places = hidden.reshape(*hidden.shape, *[1] * (x.dim() - 2)).expand_as(x)
        assert bool((changed[hidden] == changed[hidden][:1]).all())
        assert torch.equal(changed[~places], x[~places])
        return
    given = x.nan_to_num(0.0).requires_grad_()
    targets = encoder.token_targets(given, mask)[0]
    # The difference of two, as a front may subtract the mean of a recording, in which every value is.
    sign = torch.where(order == order.amax(1, keepdim=True), 1.0, -1.0) * hidden
    (slope,) = torch.autograd.grad((targets * sign.unsqueeze(-1)).sum(), given)
    (kept,) = torch.autograd.grad(encoder.hide_tokens(given, hidden).sum(), given)
    seen = slope.abs() * (kept != 0)
    assert float(seen.max()) <= 1e-4 * float(slope.abs().max()), "a hidden value is left in the input"
    assert bool((kept == 0).any())
    if not bool(hidden.all()):
        assert bool((kept == 1).any()), "values of the other tokens are kept"


def _check_refusal(encoder: Encoder, x: Tensor, mask: Tensor | None) -> None:
    """Check that an encoder without targets refuses by its name."""
    message = ""
    try:
        encoder.token_targets(x, mask)
    except TypeError as error:
        message = str(error)
    assert type(encoder).__name__ in message, "without `token_target_info`, targets are refused by name"
