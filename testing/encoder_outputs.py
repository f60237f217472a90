"""How the encoder kit runs encoders, and how it compares what they return."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sennit.encoders import ENCODERS, Encoder, EncoderOutput
from sennit.encoders.present_rows import encode_present_rows

AXES = {"BCHW": 4, "BTC": 3, "BC": 2}
"""Number of axes of each layout of taps."""


def encode(encoder: Encoder, x: Tensor, mask: Tensor | None) -> EncoderOutput:
    """Run an encoder on a batch in which every row is present."""
    present = torch.ones(len(x), dtype=torch.bool)
    return encode_present_rows(encoder, x, mask, present, all_present=True)


def rebuilt(encoder: Encoder) -> Encoder:
    """Build an encoder anew from the JSON of its config."""
    return ENCODERS.build(json.loads(json.dumps(encoder.config)))


def loss_of(out: EncoderOutput) -> Tensor:
    """Return a sum of what heads read with fixed random weights; a plain one is constant after a norm."""
    generator = torch.Generator().manual_seed(0)
    read = [out.pooled] if out.map is None else [out.pooled, out.map]
    return torch.stack([(x.float() * torch.randn(x.shape, generator=generator)).sum() for x in read]).sum()


def tensor_ids(module: nn.Module) -> set[int]:
    """Return the identities of a module's parameters and buffers."""
    return {id(t) for t in itertools.chain(module.parameters(), module.buffers())}


def check_mask(tokens: Tensor, mask: Tensor | None) -> None:
    """Check the shape and type of a mask, and that tokens outside it are zero."""
    if mask is not None:
        assert mask.shape == tokens.shape[:2]
        assert mask.dtype == torch.bool
        assert not tokens[~mask].any(), "padding should be zero after the encoder"


def check_taps(encoder: Encoder, out: EncoderOutput, batch: int) -> None:
    """Check that the taps are those of ``tap_info``, in its order."""
    assert list(out.taps) == [t.name for t in encoder.tap_info]
    for info in encoder.tap_info:
        tap = out.taps[info.name]
        channels = tap.shape[1] if info.layout == "BCHW" else tap.shape[-1]
        assert (tap.dim(), len(tap), channels) == (AXES[info.layout], batch, info.dim), info


def check_map(encoder: Encoder, out: EncoderOutput, batch: int) -> None:
    """Check that the map is that of ``map_dim``."""
    assert (out.map is None) == (encoder.map_dim is None)
    if out.map is not None:
        assert (out.map.dim(), *out.map.shape[:2]) == (4, batch, encoder.map_dim)


def flat(out: EncoderOutput) -> dict[str, Tensor | None]:
    """Return all tensors of an output by name."""
    return {"pooled": out.pooled, "tokens": out.tokens, "map": out.map, **out.taps}


def assert_finite(out: EncoderOutput) -> None:
    """Check that every value of an output is finite."""
    for name, value in flat(out).items():
        assert value is None or bool(value.isfinite().all()), f"{name} is not finite"


def assert_same(one: EncoderOutput, other: EncoderOutput) -> None:
    """Check that two outputs are equal to the last bit."""
    for (name, a), b in zip(flat(one).items(), flat(other).values(), strict=True):
        same = torch.equal(a, b) if a is not None and b is not None else a is b
        assert same, f"{name} differs"


def assert_close(one: Tensor, other: Tensor) -> None:
    """Check that two tensors are equal up to rounding."""
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def assert_finite_gradients(encoder: Encoder, x: Tensor | None = None) -> None:
    """Check that the gradients of an encoder, and of its input, are finite."""
    gradients = [parameter.grad for parameter in encoder.parameters()]
    gradients += [] if x is None else [x.grad]
    assert all(bool(g.isfinite().all()) for g in gradients if g is not None), "a gradient is not finite"


@contextmanager
def refusal(error: type[Exception], pattern: str) -> Iterator[None]:
    """Assert that the block raises an error whose message matches a pattern."""
    message: str | None = None
    try:
        yield
    except error as raised:
        message = str(raised)
    assert message is not None, f"a {error.__name__} that matches {pattern!r} should be raised"
    assert re.search(pattern, message), f"the message should match {pattern!r}. Found {message!r}"
