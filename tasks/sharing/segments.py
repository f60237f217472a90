"""The layers after the embedding of the x-vector network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.fusion import FusionInput
from sennit.tasks.sharing._base import Sharing, register_sharing


@register_sharing("segments")
class Segments(Sharing):
    """One trunk for all tasks: ReLU and batch normalisation, and an affine map between two such pairs.

    These are the published layers after segment6 of the x-vector network, the embedding:
    ``ReLU → BN → segment7 → ReLU → BN``, followed by the head's softmax. With ``depth`` 0 there is no map,
    as after segment7. Statistics are those of the batch; the vector of a sample without any modality counts
    as any other.

    Source: Snyder et al., "X-Vectors: Robust DNN Embeddings for Speaker Recognition", ICASSP 2018, §2.1.

    Args:
        depth: Number of affine maps, of the size of the fused vector.

    Shape:
        ``[N, D]`` to ``[N, D]`` for every task.

    Raises:
        ValueError: ``depth`` is below 0; in training, a batch of a single sample.

    Example:
        >>> import torch
        >>> sharing = Segments()
        >>> sharing.bind(("speaker",), 8, {})
        >>> features = sharing(torch.randn(4, 8), ("speaker",))["speaker"]
        >>> bool(features.mean(0).abs().max() < 1e-5)
        True
    """

    def __init__(self, *, depth: int = 1) -> None:
        super().__init__()
        if depth < 0:
            raise ValueError(f"`depth` should be 0 or more. Found {depth}.")
        self.depth = depth

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        self.out_dim = in_dim
        layers: list[nn.Module] = [MaskedBatchNorm(in_dim, rectify=True)]
        for _ in range(self.depth):
            layers += [nn.Linear(in_dim, in_dim), MaskedBatchNorm(in_dim, rectify=True)]
        self.trunk = nn.Sequential(*layers)

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        return dict.fromkeys(tasks, self.trunk(fused))
