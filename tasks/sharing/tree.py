"""Which tasks share which blocks: a tree as nested lists, and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tree = list[Any]
"""The branches of the first level, each the list of its branches of the next level, the last ones lists of
tasks: ``[[["a", "b"], ["c"]]]`` has one branch, which parts in two."""


class Branch(NamedTuple):
    """A block of a level: the index of its parent branch, and the tasks that read it."""

    parent: int
    tasks: tuple[str, ...]


def unbranched(tasks: Sequence[str], depth: int) -> Tree:
    """Return a tree of one branch at each level, with all tasks on the last.

    Example:
        >>> unbranched(["a", "b"], 2)
        [[['a', 'b']]]
    """
    tree: Tree = list(tasks)
    for _ in range(depth):
        tree = [tree]
    return tree


def branches(tree: Tree) -> list[list[Branch]]:
    """Return the branches of each level.

    Raises:
        ValueError: A list is empty, not all tasks are at one depth, or a task occurs twice.

    Example:
        >>> [[b.tasks for b in level] for level in branches([[["a", "b"], ["c"]]])]
        [[('a', 'b', 'c')], [('a', 'b'), ('c',)]]
    """
    levels: list[list[Branch]] = []
    level: list[tuple[int, Any]] = [(0, part) for part in tree]
    while level and all(isinstance(part, list) for _, part in level):
        levels.append([Branch(parent, tuple(_tasks(part))) for parent, part in level])
        if any(not part for _, part in level):
            raise ValueError(f"`tree` should have tasks on every branch. Found an empty one in {tree}.")
        level = [(i, child) for i, (_, part) in enumerate(level) for child in part]
    names = [part for _, part in level]
    if not levels or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"`tree` should be nested lists with all tasks at one depth, below one level of branches or "
            f"more, such as [[['a', 'b'], ['c']]]. Found {tree}."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"`tree` should name each task once. Found {tree}.")
    return levels


def _tasks(part: Any) -> list[str]:
    return [name for child in part for name in _tasks(child)] if isinstance(part, list) else [part]


def tree_mermaid(tree: Tree) -> str:
    """Return the tree as Mermaid text, which Markdown pages draw.

    Example:
        >>> print(tree_mermaid([["a"], ["b"]]))
        flowchart LR
          root(["fused vector"])
          root --> b0_0["block 1"]
          root --> b0_1["block 1"]
          b0_0 --> t0(["a"])
          b0_1 --> t1(["b"])
    """
    levels = branches(tree)
    lines = ["flowchart LR", '  root(["fused vector"])']
    for i, level in enumerate(levels):
        for k, branch in enumerate(level):
            source = f"b{i - 1}_{branch.parent}" if i else "root"
            lines.append(f'  {source} --> b{i}_{k}["block {i + 1}"]')
    number = 0
    for k, branch in enumerate(levels[-1]):
        for task in branch.tasks:
            # Mermaid's own escapes: #, the number of the character, and a semicolon.
            text = "".join(c if c.isalnum() or c in " .,-_+=" else f"#{ord(c)};" for c in task)
            lines.append(f'  b{len(levels) - 1}_{k} --> t{number}(["{text}"])')
            number += 1
    return "\n".join(lines)


def draw_tree(tree: Tree) -> Figure:
    """Draw the tree: blocks from left to right, tasks at the right.

    Returns:
        A figure; ``figure.savefig("tree.png")`` writes it.

    Example:
        >>> figure = draw_tree([[["a", "b"], ["c"]]])
        >>> sorted(text.get_text() for text in figure.axes[0].texts)
        ['a', 'b', 'c']
    """
    from matplotlib.figure import Figure

    levels = branches(tree)
    names = [task for branch in levels[-1] for task in branch.tasks]
    row = {task: -float(i) for i, task in enumerate(names)}
    figure = Figure(figsize=(2 + 1.1 * len(levels), 0.6 + 0.24 * len(names)), layout="constrained")
    axes = figure.subplots()
    middle = [[sum(row[t] for t in b.tasks) / len(b.tasks) for b in level] for level in levels]
    root = sum(row.values()) / len(row)
    for i, level in enumerate(levels):
        for branch, y in zip(level, middle[i], strict=True):
            start = middle[i - 1][branch.parent] if i else root
            axes.plot([i, i + 0.5, i + 0.5, i + 1], [start, start, y, y], color="#9aa5b1", zorder=1)
    for branch, y in zip(levels[-1], middle[-1], strict=True):
        for task in branch.tasks:
            x = len(levels)
            axes.plot([x, x + 0.5, x + 0.5, x + 0.9], [y, y, row[task], row[task]], color="#9aa5b1", zorder=1)
            axes.text(x + 1, row[task], task.replace("$", r"\$"), va="center", fontsize=9)
    axes.scatter([0], [root], s=50, color="#3a3f45", zorder=2)
    for i, heights in enumerate(middle):
        axes.scatter([i + 1] * len(heights), heights, s=60, marker="s", color="#3b76c4", zorder=2)
    axes.set_xticks(range(len(levels) + 1), ["fused", *(f"block {i + 1}" for i in range(len(levels)))])
    axes.set(xlim=(-0.3, len(levels) + 2.2), yticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure
