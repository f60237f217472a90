"""The attention of tasks on the stages of an encoder that they share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.types import Layout, TapInfo
from sennit.named_modules import NamedModules


class TaskAttention(nn.Module):
    """``a = σ(LN(W_h ReLU(LN(W_g [u; v]))))``: the attention mask of a task, in [0, 1].

    Args:
        in_dim: Size of the input.
        dim: Number of channels that are masked.
    """

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.reads = nn.Sequential(nn.Linear(in_dim, dim), nn.LayerNorm(dim), nn.ReLU())
        self.mask = nn.Sequential(nn.Linear(dim, dim), nn.LayerNorm(dim), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = self.mask(self.reads(x))
        return mask


class StageAttention(nn.Module):
    """The attention of each task on the stages of one encoder; what `MTAN` learns beside the encoder.

    Args:
        taps: Taps of the encoder, shallow to deep, all of one layout.
        tasks: Names of the tasks.
    """

    def __init__(self, taps: Sequence[TapInfo], tasks: Sequence[str]) -> None:
        super().__init__()
        dims, self.layout = [tap.dim for tap in taps], taps[0].layout
        self.passes = nn.ModuleList(_passes(self.layout, a, b) for a, b in itertools.pairwise(dims))
        self.attention = NamedModules(
            {
                task: nn.ModuleList(
                    TaskAttention(dim if level == 0 else 2 * dim, dim) for level, dim in enumerate(dims)
                )
                for task in tasks
            }
        )

    def forward(self, level: int, hidden: Tensor, taken: Tensor | None, task: str) -> Tensor:
        """Return what a task takes of a stage.

        Args:
            level: Index of the stage, from the shallowest, 0.
            hidden: Output of the stage, in the layout of its tap.
            taken: What the task took of the stage before; None for the first.
            task: Name of the task.
        """
        seen = hidden
        axis = 1 if self.layout == "BCHW" else -1
        if taken is not None:
            passed = fitted(self.passes[level - 1](taken), hidden, self.layout)
            seen = torch.cat([hidden, passed], axis)
        mask: Tensor = self.attention[task][level](seen.movedim(axis, -1))
        return mask.movedim(-1, axis) * hidden


def fitted(state: Tensor, like: Tensor, layout: Layout) -> Tensor:
    """Return the state after a stage at the resolution after a later one.

    Maps are halved by maximum pooling, sequences by leaving out every second step, as their masks are.

    Raises:
        ValueError: The later stages do not halve the resolution.
    """
    fits = state
    while layout == "BCHW" and fits.shape[2] > like.shape[2]:
        fits = F.max_pool2d(fits, 2, ceil_mode=True)
    while layout == "BTC" and fits.shape[1] > like.shape[1]:
        fits = fits[:, ::2]
    place = {"BCHW": slice(2, 4), "BTC": slice(1, 2), "BC": slice(0, 0)}[layout]
    if fits.shape[place] != like.shape[place]:
        raise ValueError(
            f"sharing 'mtan' passes what a task takes of a stage on to the next, which should keep or halve "
            f"the resolution. Found {tuple(state.shape[place])} after a stage and "
            f"{tuple(like.shape[place])} after a later one. Use another encoder or sharing, such as "
            f"'cross_stitch'."
        )
    return fits


def _passes(layout: Layout, in_dim: int, dim: int) -> nn.Module:
    """Make f: a 3 × 3 convolution on maps, a linear map elsewhere, with a norm and a ReLU."""
    if layout == "BCHW":
        return nn.Sequential(nn.Conv2d(in_dim, dim, 3, padding=1), nn.GroupNorm(1, dim), nn.ReLU())
    return nn.Sequential(nn.Linear(in_dim, dim), nn.LayerNorm(dim), nn.ReLU())
