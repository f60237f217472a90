"""The block of ECAPA-TDNN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sennit.data.masking import masked_mean
from sennit.encoders.layers.tdnn import TDNN


class Res2Net(nn.Module):
    """Layers over groups of channels; each also reads the output of the one before it.

    Source: Gao et al., "Res2Net: A New Multi-scale Backbone Architecture", TPAMI 2021, §3.1.

    Args:
        dim: Number of channels.
        scale: Number of groups; the first passes unchanged.
        kernel: Number of frames in the context of each layer.
        dilation: Distance between them in frames.

    Shape:
        x ``[B, T, dim]``, zero in the padding; mask ``[B, T]``; result as x.

    Raises:
        ValueError: ``scale`` does not divide ``dim``.
    """

    def __init__(self, dim: int, *, scale: int, kernel: int, dilation: int) -> None:
        super().__init__()
        if dim % scale:
            raise ValueError(
                f"`scale` should divide the number of channels. Found {scale} groups of {dim} channels."
            )
        width = dim // scale
        self.layers = nn.ModuleList(
            TDNN(width, width, kernel=kernel, dilation=dilation) for _ in range(scale - 1)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        first, *groups = x.chunk(len(self.layers) + 1, 2)
        out = [first]
        for layer, group in zip(self.layers, groups, strict=True):
            out.append(layer(group if len(out) == 1 else group + out[-1], mask))
        return torch.cat(out, 2)


class SqueezeExcitation(nn.Module):
    """Each channel scaled by a function of the mean over the valid frames.

    Source: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018; Desplanques et al. 2020, equations 3
    and 4.

    Args:
        dim: Number of channels.
        hidden: Size of the bottleneck.

    Shape:
        x ``[B, T, dim]``, zero in the padding; mask ``[B, T]``; result as x.
    """

    def __init__(self, dim: int, *, hidden: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        scale: Tensor = self.excite(self.squeeze(masked_mean(x, mask)).relu()).sigmoid()
        return x * scale.unsqueeze(1)


class SERes2NetBlock(nn.Module):
    """A layer over single frames, `Res2Net`, another layer, `SqueezeExcitation`, and a residual.

    Source: Desplanques et al., "ECAPA-TDNN", Interspeech 2020, Figure 1.

    Args:
        dim: Number of channels.
        kernel: Number of frames in the context.
        dilation: Distance between them in frames.
        scale: Number of groups of channels.
        hidden: Size of the bottleneck of the excitation.

    Shape:
        x ``[B, T, dim]``, zero in the padding; mask ``[B, T]``; result as x.

    Example:
        >>> SERes2NetBlock(16, dilation=2, scale=4)(torch.randn(2, 9, 16)).shape
        torch.Size([2, 9, 16])
    """

    def __init__(
        self, dim: int, *, kernel: int = 3, dilation: int, scale: int = 8, hidden: int = 128
    ) -> None:
        super().__init__()
        self.before = TDNN(dim, dim)
        self.groups = Res2Net(dim, scale=scale, kernel=kernel, dilation=dilation)
        self.after = TDNN(dim, dim)
        self.excitation = SqueezeExcitation(dim, hidden=hidden)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = self.after(self.groups(self.before(x, mask), mask), mask)
        out: Tensor = x + self.excitation(hidden, mask)
        return out
