"""Sluice networks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.types import TapInfo
from sennit.fusion import FusedEncoder
from sennit.tasks.sharing._base import check_strength, register_sharing
from sennit.tasks.sharing._task_networks import TRUNK, TaskNetworks, Unit, check_lr_multiplier, check_share
from sennit.tasks.sharing.cross_stitch import convex
from sennit.tasks.sharing.stacks import Stack


class SluiceUnit(Unit):
    """``h_{t,g} ← Σ_{s,k} α_{tg,sk} h_{s,k}`` over subspaces; after the last stage, β mixes the stages.

    Args:
        tasks: Number of tasks.
        subspaces: Number of parts into which the channels are divided.
        self_weight: Initial weight of a subspace of the task's own network; all others share the rest evenly.
        tap: Description of the mixed tap.
        skips: Indices of the stages up to this one that β mixes for each task; none by default.
        last: Initial β of this stage; the others share the rest evenly.
        lr_multiplier: Factor on the learning rate of α and β.
    """

    def __init__(
        self,
        tasks: int,
        subspaces: int,
        tap: TapInfo,
        self_weight: float,
        *,
        skips: Sequence[int] = (),
        last: float = 0.9,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        alpha = convex(tasks * subspaces, self_weight).reshape(tasks, subspaces, -1)
        self.alpha = nn.ParameterList(rows.clone() for rows in alpha)
        self.skips = tuple(skips)
        beta = convex(max(len(self.skips), 1), last)[-1]
        self.beta = nn.ParameterList(beta.clone() for _ in range(tasks if len(self.skips) > 1 else 0))
        self.layout, self.size = tap.layout, tap.dim // subspaces
        self.lr_multiplier = lr_multiplier

    def forward(
        self, hidden: list[Tensor], mask: Tensor | None = None, earlier: list[list[Tensor]] | None = None
    ) -> list[Tensor]:
        axis = 1 if self.layout == "BCHW" else -1
        parts = torch.stack([part for h in hidden for part in torch.split(h, self.size, axis)])
        mixed = []
        for rows in self.alpha:
            weights = rows.reshape(*rows.shape, *[1] * (parts.dim() - 1))
            mixed.append(torch.cat([(w * parts).sum(0) for w in weights], axis))
        if not self.beta:
            return mixed
        assert earlier is not None
        joined = []
        for beta, before, h in zip(self.beta, earlier, mixed, strict=True):
            states = [self._fit(before[level], h) for level in self.skips[:-1]]
            weighed = [b * state for b, state in zip(beta, [*states, h], strict=True)]
            joined.append(torch.stack(weighed).sum(0))
        return joined

    def _fit(self, state: Tensor, last: Tensor) -> Tensor:
        """Return an earlier state at the resolution of the last."""
        if self.layout == "BCHW" and state.shape != last.shape:
            return F.adaptive_avg_pool2d(state, (last.shape[2], last.shape[3]))
        # Stages that shorten a sequence halve it, and keep every second entry of its mask.
        fitted = state
        while self.layout == "BTC" and fitted.shape[1] > last.shape[1]:
            fitted = fitted[:, ::2]
        if fitted.shape != last.shape:
            raise ValueError(
                f"sharing 'sluice' reads earlier stages, where later ones keep or halve the steps of a "
                f"sequence. Found {state.shape[1]} after an earlier stage and {last.shape[1]} after the "
                f"last. Use another encoder or sharing, such as 'cross_stitch', or a `trunk`."
            )
        return fitted

    def mixing(self) -> Tensor:
        return torch.cat([rows.detach() for rows in self.alpha])


@register_sharing("sluice")
class Sluice(TaskNetworks):
    """One network for each task, mixed by subspaces after every stage, and each read at all its stages.

    Channels are divided into G subspaces, and ``h_{t,g} ← Σ_{s,k} α_{tg,sk} h_{s,k}`` over all tasks s
    and subspaces k. The output of a task's network is ``Σ_l β_{t,l} h_t^l`` over its stages l. Weights
    of different subspaces are pushed apart by a penalty,
    ``orthogonality · Σ_t Σ_l Σ_{g<k} ‖G_{t,l,g}ᵀ G_{t,l,k}‖²_F``, where the columns of ``G_{t,l,g}`` are
    the weights of each channel of the subspace, in the last matrix or filter bank of the stage that has a
    row for each channel (a stage without one adds nothing).

    Stages of encoders may differ: β mixes those with the channels and layout of the last, pooled (images)
    or thinned (sequences) to its resolution.

    Where each input has the label of a single task, β_t and the last unit's α_t learn on the inputs of
    task t alone; see `CrossStitch`.

    Source: Ruder et al., "Latent Multi-task Architecture Learning", AAAI 2019 (α starts
    biased towards a subspace of its own, β towards the last stage). The authors' code takes 0.95 and 0.05
    for α; here rows are convex.

    Args:
        subspaces: G; every stage's channels should divide by it.
        self_weight: Initial α of the subspace itself.
        last: Initial β of the last stage.
        orthogonality: Weight of the penalty.
        lr_multiplier: Factor on the learning rate of α and β.
        trunk: The stack between fusion and heads that each task has, such as
            ``{"name": "mlp", "depth": 2}``; None for encoders and a fusion for each task.

    Shape:
        Hidden states of all tasks at a level to the same shapes.

    Raises:
        TypeError: Without a trunk, an encoder has no stages.
        ValueError: The channels of a stage do not divide by ``subspaces``.

    Example:
        >>> unit = SluiceUnit(2, 2, TapInfo("t", 2, "BC"), self_weight=0.7)
        >>> first, second = unit([torch.tensor([[10.0, 0.0]]), torch.tensor([[0.0, 0.0]])])
        >>> [round(h, 4) for h in (*first[0].tolist(), *second[0].tolist())]
        [7.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        *,
        subspaces: int = 2,
        self_weight: float = 0.9,
        last: float = 0.9,
        orthogonality: float = 1e-3,
        lr_multiplier: float = 1.0,
        trunk: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(trunk)
        check_share("self_weight", self_weight)
        check_share("last", last)
        check_lr_multiplier(lr_multiplier)
        if subspaces < 1:
            raise ValueError(f"`subspaces` should be 1 or more. Found {subspaces}.")
        check_strength("orthogonality", orthogonality)
        self.subspaces, self.self_weight, self.last = subspaces, self_weight, last
        self.orthogonality, self.lr_of_units = orthogonality, lr_multiplier

    def make_units(self, taps: Sequence[TapInfo]) -> nn.ModuleList:
        units = []
        for i, tap in enumerate(taps):
            if tap.dim % self.subspaces:
                raise ValueError(
                    f"the channels of every stage should divide by `subspaces` of sharing 'sluice'. Found "
                    f"{tap.dim} of '{tap.name}' and {self.subspaces}. Choose another width or number."
                )
            alike = [k for k, t in enumerate(taps) if (t.dim, t.layout) == (tap.dim, tap.layout)]
            units.append(
                SluiceUnit(
                    len(self.tasks),
                    self.subspaces,
                    tap,
                    self.self_weight,
                    skips=alike if i == len(taps) - 1 else (),
                    last=self.last,
                    lr_multiplier=self.lr_of_units,
                )
            )
        return nn.ModuleList(units)

    def penalty(self) -> Tensor | None:
        if not self.orthogonality or self.subspaces == 1:
            return None
        terms = []
        for network in self.networks:
            for name, taps in self.taps.items():
                for stage, tap in zip(_stages(network, name), taps, strict=True):
                    weights = [p for p in stage.parameters() if p.dim() > 1 and p.shape[0] == tap.dim]
                    if weights:
                        terms.append(subspace_overlap(weights[-1], self.subspaces))
        return self.orthogonality * torch.stack(terms).sum() if terms else None

    def skips(self) -> dict[str, Tensor]:
        """Return β ``[T, mixed stages]`` by modality (or "trunk"), of those with several stages."""
        last = {name: self.unit(name, -1) for name in self.units}
        betas = {n: list(u.beta) for n, u in last.items() if isinstance(u, SluiceUnit) and len(u.beta)}
        return {name: torch.stack(beta).detach() for name, beta in betas.items()}


def subspace_overlap(weight: Tensor, subspaces: int) -> Tensor:
    """``Σ_{g<k} ‖G_gᵀ G_k‖²_F`` of a weight ``[channels, ...]`` whose rows are divided evenly.

    Example:
        >>> subspace_overlap(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), 2)
        tensor(9.)
    """
    groups = weight.flatten(1).chunk(subspaces)
    with torch.autocast(weight.device.type, enabled=False):
        return torch.stack([(a @ b.T).square().sum() for a, b in itertools.combinations(groups, 2)]).sum()


def _stages(network: nn.Module, name: str) -> nn.ModuleList:
    if name == TRUNK and isinstance(network, Stack):
        return network.stages
    fused: FusedEncoder = network  # type: ignore[assignment]
    stages: nn.ModuleList = fused.encoders[name].stages  # type: ignore[assignment]
    return stages
