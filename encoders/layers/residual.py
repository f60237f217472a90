"""A residual perceptron block."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """``x + W_2 ReLU(W_1 LayerNorm(x))``, with dropout; no row sees another.

    Source: the ResNet of Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data"
    (§3.2), with LayerNorm in the place of BatchNorm.

    Args:
        width: Size of the last axis.
        dropout: After both layers.

    Shape:
        ``[..., width]`` to the same.
    """

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out
