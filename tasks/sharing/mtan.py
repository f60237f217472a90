"""Multi-task attention networks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sennit.encoders.types import Layout
from sennit.fusion import FusionInput
from sennit.named_modules import NamedModules
from sennit.tasks.sharing._base import Sharing, register_sharing
from sennit.tasks.sharing._stage_attention import StageAttention, TaskAttention
from sennit.tasks.sharing._task_networks import check_staged
from sennit.tasks.sharing.stacks import build_stack


@register_sharing("mtan")
class MTAN(Sharing):
    """One network for all tasks, masked for each task at every stage by the task's attention.

    Stage l of the shared trunk turns u^l into p^l. A task takes ``â_t^l = a_t^l ⊙ p^l``, where
    ``a_t^l = h_t^l(g_t^l([u^l; f^l(â_t^{l−1})]))`` lies in [0, 1] and the first stage reads u alone; its
    head reads the last. f (shared by the tasks), g and h are linear, with LayerNorm in place of the
    paper's BatchNorm, so that samples stay independent, and ReLU, ReLU, sigmoid. On feature maps and tokens
    they act at each position; the paper's f also reads the neighbours there. With masks of one this is a
    hard trunk.

    With ``encoders=True`` the shared trunk is the encoders, as in the paper: each task takes its part of
    every stage, and the rest of the encoder (its decoder of a map), the fusion and the head read what the
    task took. There f is a 3 × 3 convolution on feature maps, followed by maximum pooling where the next
    stage halves the resolution. An encoder shows the outputs of its stages only, so ``p^l`` stands in for
    ``u^l``, which in the paper is the first half of the same block.

    The attention of a task without a label in the batch stays unchanged.

    Source: Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019 (§3.2).

    Args:
        trunk: Shared stack between fusion and heads; ``{"name": "mlp"}`` when None.
        encoders: Whether tasks attend to the stages of the encoders, which should be staged, in place of a
            stack; then tasks may read maps.

    Shape:
        ``[N, D]`` to ``[N, D]`` for every task, or to the output of the stack.

    Raises:
        TypeError: The stages differ in layout, or an encoder has none.
        ValueError: A stage changes the resolution, or a ``trunk`` is given beside ``encoders``.

    Example:
        >>> sharing = MTAN(trunk={"name": "mlp", "depth": 3})
        >>> sharing.bind(("a", "b"), 8, {})
        >>> {t: x.shape for t, x in sharing(torch.randn(2, 8), ("a", "b")).items()}
        {'a': torch.Size([2, 8]), 'b': torch.Size([2, 8])}
    """

    has_boundary = False

    def __init__(self, *, trunk: Mapping[str, Any] | None = None, encoders: bool = False) -> None:
        super().__init__()
        if trunk is not None and encoders:
            raise ValueError(
                f"`trunk` should be None with `encoders=True`, where the encoders are shared. Found {trunk}."
            )
        self.trunk, self.attends = trunk, encoders

    @property
    def shares_maps(self) -> bool:
        return self.attends

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        if self.attends:
            check_staged(self, encoders)
            self.out_dim = in_dim
            for name, encoder in encoders.items():
                self._check_layouts([tap.layout for tap in encoder.tap_info], f"the encoder of '{name}'")
            self.stages = NamedModules({m: StageAttention(e.tap_info, tasks) for m, e in encoders.items()})
            return
        self.stack = build_stack(self.trunk or {"name": "mlp"}, in_dim)
        self.out_dim = self.stack.out_dim
        taps = [self.stack.stem_info, *self.stack.tap_info]
        self.layout = taps[0].layout
        self._check_layouts([tap.layout for tap in taps], f"stack '{self.stack.registry_name}'")
        before, *dims = [tap.dim for tap in taps]
        self.passes = nn.ModuleList(
            nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b), nn.ReLU()) for a, b in itertools.pairwise(dims)
        )
        self.attention = NamedModules(
            {
                task: nn.ModuleList(
                    TaskAttention(a if level == 0 else a + b, b)
                    for level, (a, b) in enumerate(zip([before, *dims[:-1]], dims, strict=True))
                )
                for task in tasks
            }
        )

    def _check_layouts(self, layouts: Sequence[Layout], owner: str) -> None:
        if len(set(layouts)) > 1:
            raise TypeError(
                f"sharing 'mtan' masks the output of a stage by that of another, so all should have one "
                f"layout. Found {layouts} in {owner}."
            )

    def attend(self, modality: str, level: int, hidden: Tensor, taken: Tensor | None, task: str) -> Tensor:
        attention = self.stages[modality]
        out: Tensor = attention(len(attention.passes) + 1 + level, hidden, taken, task)
        return out

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        if self.attends:
            return dict.fromkeys(tasks, fused)
        taken: dict[str, Tensor] = {}
        hidden = self.stack.stem(fused)
        below = self._channels_last(hidden)
        for level, stage in enumerate(self.stack.stages):
            hidden = stage(hidden)
            above = self._channels_last(hidden)
            if above.shape[:-1] != below.shape[:-1]:
                raise ValueError(
                    f"sharing 'mtan' needs stages that keep the resolution. Found {tuple(below.shape[1:-1])} "
                    f"before and {tuple(above.shape[1:-1])} after '{self.stack.tap_info[level].name}'."
                )
            for task in tasks:
                seen = below
                if level:
                    seen = torch.cat([below, self.passes[level - 1](taken[task])], -1)
                taken[task] = self.attention[task][level](seen) * above
            below = above
        last = -1 if self.layout != "BCHW" else 1
        return {task: self.stack.finish(x.movedim(-1, last)) for task, x in taken.items()}

    def _channels_last(self, x: Tensor) -> Tensor:
        return x.movedim(1, -1) if self.layout == "BCHW" else x
