"""Convolution with long filters, by Fourier transforms."""

from __future__ import annotations

import torch
from torch import Tensor


def convolve(x: Tensor, h: Tensor, shift: Tensor) -> Tensor:
    """Convolve each recording with a filter of its own, and move it ``shift`` samples earlier.

    Shape:
        x ``[R, T]``, h ``[R, L]``, shift ``[R]`` (0 to L - 1), result ``[R, T]``.
    """
    steps = x.shape[1] + h.shape[1] - 1
    size = 1 << (steps - 1).bit_length()
    full: Tensor = torch.fft.irfft(torch.fft.rfft(x, size) * torch.fft.rfft(h, size), size)
    return full.gather(1, shift.unsqueeze(1) + torch.arange(x.shape[1], device=x.device))
