"""Mean and standard deviation of the frames that matter."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sennit.data.masking import zero_padding
from sennit.encoders.layers.pooling._base import Pooling, register_pooling
from sennit.encoders.layers.pooling._moments import attention, moments


@register_pooling("attentive_statistics")
class AttentiveStatisticsPooling(Pooling):
    """``[μ, σ]`` under the weights ``α = softmax_t(e_t)``, ``e_t = vᵀ f(W h_t + b)``, f = tanh.

    ``μ = Σ_t α_t h_t`` and ``σ² = Σ_t α_t (h_t - μ)²``, which is the paper's ``Σ_t α_t h_t² - μ²`` without
    its cancellation. The paper's k is left out: it raises all scores alike, which softmax ignores.

    Source: Okabe et al., "Attentive Statistics Pooling for Deep Speaker Embedding", Interspeech 2018,
    equations 3 to 6.

    Args:
        dim: Size of a frame.
        hidden: Size of ``W h_t``.

    Shape:
        x ``[B, T, dim]``, mask ``[B, T]``, result ``[B, 2·dim]``: means, then standard deviations.

    Example:
        >>> AttentiveStatisticsPooling(8)(torch.randn(2, 9, 8)).shape
        torch.Size([2, 16])
    """

    def __init__(self, dim: int, *, hidden: int = 128) -> None:
        super().__init__()
        self.out_dim = 2 * dim
        self.hidden = nn.Linear(dim, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = zero_padding(x, mask)
        weight = attention(self.score(self.hidden(x).tanh()), mask)
        return torch.cat(moments(x, weight), 1).to(x.dtype)
