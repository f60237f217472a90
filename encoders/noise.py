"""Noise between the stages of an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders._base import StagedEncoder


@contextmanager
def noisy(encoder: StagedEncoder, deviation: float) -> Iterator[None]:
    """Add Gaussian noise to what the first stage reads and to the output of every stage, within the block.

    Its deviation is a multiple of that of each channel over the rows that are encoded and their valid steps.
    The padding gets none.

    Source: Rasmus et al. 2015, "Semi-Supervised Learning with Ladder Networks" (algorithm 1), whose layers
    are normalised over the batch, so that their channels have the deviation 1.

    Args:
        encoder: Encoder with stages.
        deviation: Deviation of the noise over that of the channel.
    """

    def before(module: nn.Module, args: Any) -> Any:
        return (with_noise(args[0], args[1] if len(args) > 1 else None, deviation), *args[1:])

    def after(module: nn.Module, args: Any, out: Any) -> Any:
        if isinstance(out, Tensor):
            return with_noise(out, None, deviation)
        return (with_noise(out[0], out[1], deviation), *out[1:])

    handles = [encoder.stages[0].register_forward_pre_hook(before)]
    handles += [stage.register_forward_hook(after) for stage in encoder.stages]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def with_noise(x: Tensor, mask: Tensor | None, deviation: float) -> Tensor:
    """Return a hidden state with Gaussian noise, sized by the deviation of each channel.

    Shape:
        x ``[B, C]``, ``[B, T, C]`` or ``[B, C, H, W]``, mask ``[B, T]``, result as x.

    Example:
        >>> x = torch.tensor([[0.0, 5.0], [2.0, 5.0]])
        >>> with_noise(x, None, 0.3)[:, 1].tolist()  # a channel that never varies
        [5.0, 5.0]
    """
    last = x.detach().movedim(1, -1) if x.dim() == 4 else x.detach()
    rows = last.flatten(0, -2) if mask is None else last[mask]
    scale = rows.std(0, correction=0) if len(rows) else rows.new_zeros(last.shape[-1])
    scale = scale.reshape(-1, 1, 1) if x.dim() == 4 else scale
    noise = deviation * scale * torch.randn_like(x)
    return x + zero_padding(noise, mask)
