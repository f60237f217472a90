"""Mean and standard deviation of the frames that matter to each channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.encoders.layers.pooling._base import Pooling, register_pooling
from sennit.encoders.layers.pooling._moments import attention, moments
from sennit.encoders.layers.pooling._plain import plain_statistics


@register_pooling("channel_attentive_statistics")
class ChannelAttentiveStatisticsPooling(Pooling):
    """``[μ_c, σ_c]`` under weights of each channel, computed from the frame and its recording.

    ``α_c = softmax_t(v_cᵀ f(W [h_t, μ, σ] + b))`` where μ and σ are the plain statistics of the recording
    and f is ReLU, batch normalisation and tanh, as in the authors' network. Their k_c is left out: it raises
    all scores of a channel alike, which softmax ignores.

    Source: Desplanques et al., "ECAPA-TDNN", Interspeech 2020, §3.1.

    Args:
        dim: Size of a frame.
        hidden: Size of ``W [h_t, μ, σ]``.

    Shape:
        x ``[B, T, dim]``, mask ``[B, T]``, result ``[B, 2·dim]``: means, then standard deviations.

    Example:
        >>> ChannelAttentiveStatisticsPooling(8)(torch.randn(2, 9, 8)).shape
        torch.Size([2, 16])
    """

    def __init__(self, dim: int, *, hidden: int = 128) -> None:
        super().__init__()
        self.out_dim = 2 * dim
        self.frame = nn.Linear(dim, hidden)
        self.context = nn.Linear(2 * dim, hidden, bias=False)
        self.norm = MaskedBatchNorm(hidden)
        self.score = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = zero_padding(x, mask)
        # W [h, μ, σ] in two products, so that the context is multiplied once and not at each frame.
        context = self.context(torch.cat(plain_statistics(x, mask), 1).to(x.dtype))
        hidden = (self.frame(x) + context.unsqueeze(1)).relu()
        weight = attention(self.score(self.norm(hidden, mask).tanh()), mask)
        return torch.cat(moments(x, weight), 1).to(x.dtype)
