"""Fully-adaptive feature sharing."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from sennit.fusion import FusionInput
from sennit.tasks.sharing._base import Sharing, register_sharing
from sennit.tasks.sharing.stacks._base import Stack, build_stack
from sennit.tasks.sharing.stacks.batched import make_stacks, run_together
from sennit.tasks.sharing.tree import Tree, branches, unbranched


@register_sharing("adaptive")
class Adaptive(Sharing):
    """A tree of blocks that grows from the tasks down: tasks share a trunk for as long as they are alike.

    It starts as one trunk for all tasks. After some training, `sennit.tasks.training.growing.grow` splits
    the tasks at the last block by their affinity and gives each group a copy of the block; the next call
    splits those groups at the block before, and so on. Every growth returns a new model that computes the
    same, to be trained further with a new `Learner` in a folder of its own::

        for i in range(3):
            fit(Learner(model), loader, folder=f"run/{i}", epochs=5)
            model = grow(model, error_affinity(model, loader))

    `sennit.tasks.training.growing.thin` makes a thin initial trunk of a wide one. The tree is part of the
    config, so a grown model is saved and loaded as any other. `tree_mermaid` and `draw_tree` draw it.

    The tasks split at several places, so no balancing works with it. A level costs as many blocks as it has
    branches with active tasks, and they run together.

    Source: Lu et al., "Fully-adaptive Feature Sharing in Multi-Task Networks with Applications in Person
    Attribute Classification", CVPR 2017, section 3.

    Args:
        stack: Stack whose stages are the levels, as `build_stack` reads it; an ``mlp`` of three blocks by
            default.
        tree: Nested lists of the tasks' names, one depth of lists for each stage and one around all:
            ``[[["a", "b"], ["c"]]]`` splits once, after the first of two stages. One trunk by default.

    Shape:
        ``[N, D]`` to ``[N, D']`` for each task.

    Raises:
        ValueError: A tree of other tasks or of another depth, or an unknown stack.

    Example:
        >>> import torch
        >>> sharing = Adaptive(stack={"name": "mlp", "depth": 2}, tree=[[["a", "b"], ["c"]]])
        >>> sharing.bind(("a", "b", "c"), 8, {})
        >>> features = sharing(torch.randn(2, 8), ("a", "b", "c"))
        >>> features["a"] is features["b"], [len(level) for level in sharing.levels]
        (True, [1, 2])
    """

    has_boundary = False

    def __init__(self, *, stack: Mapping[str, Any] | None = None, tree: Tree | None = None) -> None:
        super().__init__()
        self.stack, self.start = stack or {"name": "mlp", "depth": 3}, tree
        if tree is not None:
            branches(tree)

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        self.tasks, self.in_dim = tasks, in_dim
        depth = len(build_stack(self.stack, in_dim).stages)
        self.tree = unbranched(tasks, depth) if self.start is None else self.start
        self.branches = branches(self.tree)
        named = [task for branch in self.branches[0] for task in branch.tasks]
        if sorted(named) != sorted(tasks) or len(self.branches) != depth:
            raise ValueError(
                f"`tree` should hold the tasks {list(tasks)} below {depth} levels of branches. "
                f"Found {named} below {len(self.branches)}."
            )
        self._paths = {
            task: tuple(next(i for i, b in enumerate(level) if task in b.tasks) for level in self.branches)
            for task in tasks
        }
        stacks = make_stacks(self.stack, in_dim, max(len(level) for level in self.branches))
        self.levels = nn.ModuleList()
        for i, level in enumerate(self.branches):
            self.levels.append(nn.ModuleList(_block(stack, i) for stack in stacks[: len(level)]))
        self.out_dim = stacks[0].out_dim

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        hidden, places = fused, {0: 0}
        for i, level in enumerate(self.levels):
            used = sorted({self._paths[t][i] for t in tasks})
            if i:
                hidden = hidden[[places[self.branches[i][k].parent] for k in used]]
            blocks = [level[k] for k in used]  # type: ignore[index]
            hidden = run_together(blocks, hidden, separate=i > 0)
            places = {k: at for at, k in enumerate(used)}
        features = hidden.unbind()
        return {t: features[places[self._paths[t][-1]]] for t in tasks}

    @property
    def junction(self) -> int | None:
        """Return the deepest level at which all tasks share one branch, or None."""
        alone = [i for i, level in enumerate(self.branches) if len(level) == 1]
        return alone[-1] if alone else None

    def on_junction(self) -> list[tuple[str, ...]]:
        """Return the tasks of each branch above the junction; single tasks where it is the last level."""
        if self.junction is None:
            return []
        if self.junction + 1 == len(self.branches):
            return [(task,) for task in self.branches[-1][0].tasks]
        return [branch.tasks for branch in self.branches[self.junction + 1]]

    def part(self, groups: Sequence[Sequence[int]]) -> Adaptive:
        """Return a sharing with a copy of the junction's branch for each group of its children."""
        assert self.junction is not None
        node = self.tree
        for _ in range(self.junction + 1):
            node = node[0]
        grown: Tree = [[node[k] for k in group] for group in groups]
        for _ in range(self.junction):
            grown = [grown]
        again = Adaptive(stack=self.stack, tree=grown)
        again.bind(self.tasks, self.in_dim, {})
        for i, level in enumerate(again.branches):
            old = [self.levels[i][self._paths[branch.tasks[0]][i]] for branch in level]  # type: ignore[index]
            again.levels[i] = nn.ModuleList(copy.deepcopy(block) for block in old)
        return again.train(self.training)


def _block(stack: Stack, level: int) -> nn.Module:
    """Return a stage, with the stem before the first and ``finish`` after the last."""
    parts = [stack.stages[level]]
    if level == 0 and not isinstance(stack.stem, nn.Identity):
        parts.insert(0, stack.stem)
    if level + 1 == len(stack.stages):
        parts.append(stack.finish)
    return nn.Sequential(*parts) if len(parts) > 1 else parts[0]
