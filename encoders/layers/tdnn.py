"""The layer of time-delay neural networks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.layers._processor_norm import frames, image
from sennit.encoders.layers.batch_norm import MaskedBatchNorm


class TDNN(nn.Module):
    """Affine map of the frames around each, ReLU, batch normalisation; zeros in the padding.

    Source: Peddinti et al., "A time delay neural network architecture for efficient modeling of long
    temporal contexts", Interspeech 2015, in the order of Snyder et al. 2018.

    Frames beyond the ends of a recording count as zeros, as padding does, so that the number of frames is
    kept. (The paper's network has no padding and needs recordings longer than its context of 15 frames;
    spoken digits are not.)

    Args:
        in_dim: Size of an input frame.
        dim: Size of an output frame.
        kernel: Number of frames in the context, odd.
        dilation: Distance between them in frames.

    Shape:
        x ``[B, T, in_dim]``, zero in the padding; mask ``[B, T]``; result ``[B, T, dim]``.

    Raises:
        ValueError: ``kernel`` is even.

    Example:
        >>> import torch
        >>> TDNN(24, 512, kernel=5)(torch.randn(2, 9, 24)).shape
        torch.Size([2, 9, 512])
    """

    def __init__(self, in_dim: int, dim: int, *, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(
                f"`kernel` should be odd, for as many frames before as after. Found {kernel}. Add one."
            )
        self.conv = nn.Conv1d(in_dim, dim, kernel, dilation=dilation)
        self.norm = MaskedBatchNorm(dim, rectify=True)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        out: Tensor = self.norm(self._affine(x), mask)
        return out

    def _affine(self, x: Tensor) -> Tensor:
        weight, (dilation,) = self.conv.weight, self.conv.dilation
        reach = dilation * (weight.shape[2] // 2)
        out = F.conv2d(image(x), weight.unsqueeze(2), self.conv.bias, 1, (0, reach), (1, dilation))
        return frames(out)
