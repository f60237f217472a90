"""A residual perceptron block."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """``x + W_2 ReLU(W_1 LayerNorm(x))``, with dropout; no row sees another.

    Source: the ResNet of Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data"
    (§3.2), with LayerNorm in place of BatchNorm.

    Args:
        width: Size of the last axis.
        dropout: Dropout probability after both layers.
        hidden: Size between them; twice the width by default.

    Shape:
        ``[..., width]`` to the same.
    """

    def __init__(self, width: int, *, dropout: float, hidden: int | None = None) -> None:
        super().__init__()
        hidden = 2 * width if hidden is None else hidden
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out

    @property
    def first(self) -> nn.Linear:
        """Linear map to the hidden units."""
        layer = self.layers[1]
        assert isinstance(layer, nn.Linear)
        return layer

    @property
    def second(self) -> nn.Linear:
        """Linear map from the hidden units."""
        layer = self.layers[4]
        assert isinstance(layer, nn.Linear)
        return layer
