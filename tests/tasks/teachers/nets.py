"""Models with the norms whose statistics a teacher must follow, and their data."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sennit.data import Batch, InputSpec
from sennit.encoders import Encoder, wrap
from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.fusion import create_fusion
from sennit.ramp import Ramp
from sennit.tasks import Classification, MeanTeacher, MultiTaskModel

WIDTH = 6


class Pictures(nn.Module):
    """A convolution with the norm of PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x)).relu().mean((2, 3))
        return y


class Frames(nn.Module):
    """A map of each frame with the masked norm of this library."""

    def __init__(self) -> None:
        super().__init__()
        self.lift, self.norm = nn.Linear(2, WIDTH), MaskedBatchNorm(WIDTH)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        y: Tensor = self.norm(self.lift(x), mask).relu().mean(1)
        return y


def rows(dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(3, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Dropout(dropout), nn.Linear(WIDTH, WIDTH)
    )


def encoders(dropout: float = 0.0) -> dict[str, Encoder]:
    here = __name__
    return {
        "rows": wrap(rows(dropout), InputSpec((3,)), WIDTH, factory=f"{here}:rows"),
        "frames": wrap(Frames(), InputSpec((None, 2), sequence=True), WIDTH, factory=f"{here}:Frames"),
        "pictures": wrap(Pictures(), InputSpec((1, 4, 4)), WIDTH, factory=f"{here}:Pictures"),
    }


def model(
    *, dropout: float = 0.0, modality_dropout: float = 0.0, scale: float | Ramp = 1.0
) -> MultiTaskModel:
    parts = encoders(dropout)
    tasks = {"y": Classification(3), "mean": MeanTeacher(of="y", gradient_scale=scale)}
    fusion = create_fusion("concat", parts, embed_dim=8)
    return MultiTaskModel(encoders=parts, fusion=fusion, tasks=tasks, modality_dropout=modality_dropout)


def batch(size: int = 8, *, labelled: int | None = None, missing: bool = True) -> Batch:
    numbers = torch.arange(size)
    lengths = 2 + torch.arange(size) % 3
    present = {"rows": numbers % 4 != 1, "frames": numbers % 4 != 2, "pictures": numbers % 4 != 3}
    return Batch.of(
        {
            "rows": torch.randn(size, 3),
            "frames": torch.randn(size, 4, 2),
            "pictures": torch.randn(size, 1, 4, 4),
        },
        masks={"frames": torch.arange(4) < lengths[:, None]},
        present=present if missing else None,
        targets={"y": numbers % 3},
        labelled={"y": numbers < (size // 2 if labelled is None else labelled)},
        index=numbers,
    )
