"""Batch normalisation of sequences of different lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.masking import zero_padding
from sennit.encoders.layers._processor_norm import ProcessorNorm, frames, image, valid_share

KERNELS = (torch.float32, torch.float64)
"""Types whose sums over frames are as precise as the statistics are."""


class MaskedBatchNorm(nn.Module):
    """Batch normalisation whose statistics are those of the valid frames; zeros in the padding.

    Source: Ioffe & Szegedy, "Batch Normalization", ICML 2015. Without padding it equals
    `torch.nn.BatchNorm1d` over the last axis, and its state dict has the same names. The variance is
    centred, and in float32 under half precision.

    With a mask, a single valid frame has no variance: it is normalised by the running statistics, which it
    leaves alone.

    Args:
        dim: Number of channels.
        rectify: Whether to normalise ``max(x, 0)`` and not x.
        eps: Term added to the variance.
        momentum: Weight of a batch's statistics in the running ones.

    Shape:
        x ``[B, T, dim]`` with mask ``[B, T]``, or ``[B, dim]`` without; result as x.

    Raises:
        ValueError: In training, a batch of a single value for each channel and no mask.

    Example:
        >>> norm = MaskedBatchNorm(1)
        >>> x = torch.tensor([[[1.0], [3.0]], [[1.0], [99.0]], [[3.0], [-99.0]]])
        >>> norm(x, torch.tensor([[True, True], [True, False], [True, False]])).squeeze(-1).round().tolist()
        [[-1.0, 1.0], [-1.0, 0.0], [1.0, 0.0]]
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, dim: int, *, rectify: bool = False, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.rectify, self.eps, self.momentum = rectify, eps, momentum
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
            if mask is None and x.shape[:-1].numel() == 1:
                raise ValueError(
                    f"`x` should hold several frames, or samples, in training: it is normalised by their "
                    f"statistics. Found shape {(*x.shape,)}. Take a larger batch, or call `.eval()`."
                )
        if not self.training:
            whole = torch.is_grad_enabled() or torch.compiler.is_compiling()
            return zero_padding(self._plain(x), mask) if whole else self._fixed(x, mask)
        if (
            x.dim() == 3
            and x.device.type == "cpu"
            and (x.dtype in KERNELS or mask is not None)
            and not torch.compiler.is_compiling()
        ):
            return self._on_processor(x, mask)
        return self._plain(x) if mask is None else self._masked(x, mask)

    def _plain(self, x: Tensor) -> Tensor:
        x = x.relu() if self.rectify else x
        mean, var, momentum = self.running_mean, self.running_var, self.momentum
        whole = x if x.dim() == 2 else image(x)
        y = F.batch_norm(whole, mean, var, self.weight, self.bias, self.training, momentum, self.eps)
        return y if x.dim() == 2 else frames(y)

    def _fixed(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Normalise in evaluation without gradients, in place."""
        kind = torch.promote_types(x.dtype, torch.float32)
        gain = (self.running_var.to(kind) + self.eps).rsqrt() * self.weight
        shift = self.bias - self.running_mean * gain
        y = x.relu() if self.rectify else x.clone()
        y = torch.addcmul(shift, y, gain, out=y if y.dtype == gain.dtype else None).to(x.dtype)
        return y if mask is None else y.masked_fill_(~mask.unsqueeze(2), 0)

    def _on_processor(self, x: Tensor, mask: Tensor | None) -> Tensor:
        padding = None if mask is None else (~mask).view(-1).nonzero().squeeze(1)
        precise = x.to(torch.promote_types(x.dtype, torch.float32)).contiguous()
        given = (precise, padding, self.weight, self.bias, self.eps, self.rectify)
        count = x.shape[0] * x.shape[1] - (0 if padding is None else padding.shape[0])
        if mask is not None and count < 2:
            return self._masked(x, mask)
        y, _, mean, scale = ProcessorNorm.apply(*given)
        share = valid_share(precise, padding)
        var = (scale.double().pow(-2) / share - self.eps).clamp(min=0)
        self._track(mean, var, var.new_tensor(count))
        out: Tensor = y.to(x.dtype)
        return out

    def _masked(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x.relu() if self.rectify else x
        kind = torch.promote_types(x.dtype, torch.float32)
        valid = mask.unsqueeze(2).to(kind)
        count, several = valid.sum(), valid.sum() > 1
        mean = (x.to(kind) * valid).sum((0, 1)) / count.clamp(min=1)
        var = ((x.to(kind) - mean) * valid).square().sum((0, 1)) / count.clamp(min=1)
        mean_used = torch.where(several, mean, self.running_mean)
        scale = (torch.where(several, var, self.running_var) + self.eps).rsqrt()
        y = ((x.to(kind) - mean_used) * (scale * self.weight) + self.bias) * valid
        self._track(mean, var, count)
        return y.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        share = self.momentum * (count > 1)
        unbiased = var * (count / (count - 1).clamp(min=1))
        for running, value in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.lerp_(value.to(running.dtype), share.to(running.dtype))
