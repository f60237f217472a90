"""Nets of a user's own, as factories that tests wrap."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sennit.encoders import EncoderOutput, pool


class Steps(nn.Module):
    """A linear map of each step."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.lift = nn.Linear(channels, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.lift(x)


class Halved(nn.Module):
    """Every second step as a token, with its mask and a tap."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(channels, width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        # Not a slice: its stride would tie an exported graph to some lengths.
        kept = torch.arange(0, x.shape[1], 2, device=x.device)
        mask = None if mask is None else mask[:, kept]
        hidden = self.first(x[:, kept]).relu()
        tokens = self.second(hidden)
        if mask is not None:
            hidden, tokens = hidden * mask.unsqueeze(-1), tokens * mask.unsqueeze(-1)
        tap_masks = {} if mask is None else {"first": mask}
        return EncoderOutput(pool(tokens, "BTC", mask), tokens, mask, {"first": hidden}, tap_masks)


class Mapped(nn.Module):
    """A convolution whose output is the map, and whose mean is the vector."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)

    def forward(self, x: Tensor) -> EncoderOutput:
        hidden = self.conv(x)
        return EncoderOutput(hidden.mean((2, 3)), map=hidden)


class Strided(nn.Module):
    """Every second step, without a mask of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, ::2]


class Lengths(nn.Module):
    """Something else than an encoder's output."""

    def forward(self, x: Tensor) -> list[int]:
        return [len(row) for row in x]


def steps(channels: int, width: int = 8) -> nn.Module:
    return Steps(channels, width)


def halved(channels: int, width: int = 8) -> nn.Module:
    return Halved(channels, width)


def picture(width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def half_frozen(width: int = 8) -> nn.Module:
    net = nn.Sequential(nn.Linear(3, width), nn.Dropout())
    net[0].eval()
    return net


def no_module() -> Tensor:
    return torch.zeros(1)


def normalised() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
