"""The first steps of transformers' audio models."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding


class ConvSteps(nn.Module):
    """Waveforms through the convolutions of wav2vec 2.0.

    Source: Baevski et al., "wav2vec 2.0", NeurIPS 2020, §2.

    Args:
        net: Convolutions, shared with the encoder; ``[B, T]`` to ``[B, C, T']``.
        kernels: Kernel size of each convolution.
        strides: Stride of each convolution.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; steps ``[B, T', C]`` and their mask.

    Example:
        >>> ConvSteps(nn.Identity(), kernels=(10, 3), strides=(5, 2)).lengths(torch.tensor([20, 40]))
        tensor([1, 3])
    """

    def __init__(self, net: nn.Module, kernels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.net = net
        self.layers = tuple(zip(kernels, strides, strict=True))
        self.window = 1
        for kernel, stride in reversed(self.layers):
            self.window = (self.window - 1) * stride + kernel

    def lengths(self, samples: Tensor) -> Tensor:
        """Return the number of steps of a number of samples; below 1 means none."""
        for kernel, stride in self.layers:
            samples = (samples - kernel) // stride + 1
        return samples

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        steps: Tensor = self.net(zero_padding(x, mask)).transpose(1, 2)
        if mask is None:
            return steps, None
        mask = first(self.lengths(mask.sum(1)), steps.shape[1])
        return zero_padding(steps, mask), mask


class Frames(nn.Module):
    """Unchanged frames; zeros in the padding."""

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return zero_padding(x, mask), mask


def first(lengths: Tensor, size: int) -> Tensor:
    """Return the mask of sequences of the given lengths.

    Shape:
        ``[B]`` to ``[B, size]``.
    """
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def silence_after(x: Tensor, mask: Tensor | None, size: int) -> Tensor:
    """Fill up the frames of Whisper with the values that its feature extractor gives for silence.

    Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022: powers in
    log10, from -10 up and at most 8 below the largest of the recording, then ``(x + 4) / 4``.

    Shape:
        x ``[B, T, n]``, mask ``[B, T]``, result ``[B, size, n]``.

    Raises:
        ValueError: The input has more frames than Whisper reads.
    """
    if x.shape[1] > size:
        raise ValueError(
            f"a recording should have at most {size} frames. Found {x.shape[1]}. Cut it into parts, as "
            f"`load_waveform` reads them with `start_s` and `duration_s`."
        )
    valid = x if mask is None else x.masked_fill(~mask.unsqueeze(-1), -torch.inf)
    level = (valid.amax((1, 2), keepdim=True) - 2).clamp(min=-1.5)
    if mask is not None:
        x = torch.where(mask.unsqueeze(-1), x, level)
    return torch.cat([x, level.expand(len(x), size - x.shape[1], x.shape[2])], 1)
