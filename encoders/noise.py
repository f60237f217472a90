"""Noise between the stages of an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sennit.encoders._base import StagedEncoder


@contextmanager
def noisy(encoder: StagedEncoder, deviation: float) -> Iterator[None]:
    """Add Gaussian noise to what the first stage reads and to the output of every stage, within the block.

    Its deviation is a multiple of the root mean square over the channels at each place, so that a sample's
    noise depends on no other sample, and padding keeps its zeros.

    Source: Rasmus et al. 2015, "Semi-Supervised Learning with Ladder Networks" (algorithm 1), whose
    normalised layers have the root mean square 1.

    Args:
        encoder: Encoder with stages.
        deviation: Deviation of the noise over that root mean square.
    """

    def added(x: Tensor) -> Tensor:
        axis = 1 if x.dim() in (2, 4) else 2  # as the layouts of taps have it: BC, BCHW, BTC
        scale = x.detach().square().mean(axis, keepdim=True).sqrt()
        return x + deviation * scale * torch.randn_like(x)

    def before(module: nn.Module, args: Any) -> Any:
        return (added(args[0]), *args[1:])

    def after(module: nn.Module, args: Any, out: Any) -> Any:
        return added(out) if isinstance(out, Tensor) else (added(out[0]), *out[1:])

    handles = [encoder.stages[0].register_forward_pre_hook(before)]
    handles += [stage.register_forward_hook(after) for stage in encoder.stages]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
