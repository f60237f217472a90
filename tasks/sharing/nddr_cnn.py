"""Neural discriminative dimensionality reduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.encoders.taps import as_tokens
from sennit.encoders.types import TapInfo
from sennit.tasks.sharing._base import register_sharing
from sennit.tasks.sharing._task_networks import TaskNetworks, Unit, check_share
from sennit.tasks.sharing.cross_stitch import convex


class NDDRUnit(Unit):
    """``h_t ← BN_t(W_t [h_1; …; h_T])`` at every position.

    Args:
        tasks: Number of tasks.
        tap: Description of the reduced tap.
        self_weight: α, the initial diagonal of W_t over the task's own channels; that over each other
            task's is β = (1 − α) / (T − 1).
    """

    def __init__(self, tasks: int, tap: TapInfo, self_weight: float) -> None:
        super().__init__()
        maps = [nn.Linear(tasks * tap.dim, tap.dim, bias=False) for _ in range(tasks)]
        for linear, row in zip(maps, convex(tasks, self_weight), strict=True):
            with torch.no_grad():
                linear.weight.copy_(torch.kron(row.unsqueeze(0), torch.eye(tap.dim)))
        self.maps = nn.ModuleList(maps)
        self.norms = nn.ModuleList(MaskedBatchNorm(tap.dim) for _ in range(tasks))
        self.tasks, self.layout = tasks, tap.layout

    def forward(
        self, hidden: list[Tensor], mask: Tensor | None = None, earlier: list[list[Tensor]] | None = None
    ) -> list[Tensor]:
        tokens = torch.cat([as_tokens(h, self.layout) for h in hidden], -1)
        valid = mask if self.layout == "BTC" else None
        if tokens.shape[:2].numel() == 1:  # a modality that one row has: the running statistics
            valid = tokens.new_ones(1, 1, dtype=torch.bool)
        reduced = [norm(linear(tokens), valid) for linear, norm in zip(self.maps, self.norms, strict=True)]
        if self.layout == "BCHW":
            return [x.transpose(1, 2).unflatten(2, hidden[0].shape[2:]) for x in reduced]
        return reduced if self.layout == "BTC" else [x.squeeze(1) for x in reduced]

    def mixing(self) -> Tensor:
        """Return the norm of each block of each W, relative to the norm of the identity."""
        weights = torch.stack([p.detach() for p in self.maps.parameters()])
        blocks = weights.reshape(self.tasks, weights.shape[1], self.tasks, -1)
        return blocks.square().sum((1, 3)).div(weights.shape[1]).sqrt()


@register_sharing("nddr_cnn")
class NDDRCNN(TaskNetworks):
    """One network for each task; after every stage each reads all of them through a 1 × 1 convolution.

    The hidden states of all tasks are joined along the channels, and for each task reduced to as many
    channels as one has, by a convolution of its own without bias and batch normalisation: at every
    position, ``h_t ← BN_t(W_t [h_1; …; h_T])``. W_t starts as ``[β I, …, α I, …, β I]``, with
    ``α + (T − 1) β = 1``; with ``self_weight=1`` the networks start separate. Its weight decays, as every
    matrix.
    Statistics leave out padding and absent samples; a single vector is normalised by the running ones. The
    networks start as copies of one, or, as in the paper, as networks trained for each task alone
    (`start_from_single_tasks`).

    Source: Gao et al., "NDDR-CNN: Layerwise Feature Fusing in Multi-Task CNNs by Neural Discriminative
    Dimensionality Reduction", CVPR 2019 (α = 0.9, β = 0.1). Their later code puts a ReLU after the
    normalisation; the stages here end as in their encoder.

    Args:
        self_weight: Initial α.
        trunk: The stack between fusion and heads that each task has, such as
            ``{"name": "mlp", "depth": 2}``; None for encoders and a fusion for each task.

    Shape:
        Hidden states of all tasks at a level to the same shapes.

    Raises:
        TypeError: Without a trunk, an encoder has no stages.

    Example:
        >>> unit = NDDRUnit(2, TapInfo("t", 1, "BC"), self_weight=0.9).eval()
        >>> [round(h.item(), 3) for h in unit([torch.tensor([[1.0]]), torch.tensor([[0.0]])])]
        [0.9, 0.1]
    """

    def __init__(self, *, self_weight: float = 0.9, trunk: Mapping[str, Any] | None = None) -> None:
        super().__init__(trunk)
        check_share("self_weight", self_weight)
        self.self_weight = self_weight

    def make_units(self, taps: Sequence[TapInfo]) -> nn.ModuleList:
        return nn.ModuleList(NDDRUnit(len(self.tasks), tap, self.self_weight) for tap in taps)
