"""A genome as nodes and edges, for all its drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sennit.fusion.cell.genome import EMBEDDING, Genome

MERGED = {"late": "late: joined", "decision": "decision: mean", "multiplicative": "multiplicative"}


@dataclass(frozen=True)
class Node:
    """A box of a drawing.

    Args:
        name: Identifier of letters, digits and ``_``.
        lines: Lines of its label.
        kind: ``"tap"``, ``"unused"``, ``"cell"``, ``"merge"`` or ``"task"``.
        modality: Index of the modality of a tap; −1 for other kinds.
    """

    name: str
    lines: tuple[str, ...]
    kind: str
    modality: int = -1


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another; a skip adds its source to the target's output."""

    source: str
    target: str
    skip: bool = False


def graph_of(genome: Genome, tasks: Sequence[str] = ()) -> tuple[list[Node], list[Edge]]:
    """Return the nodes, from taps to tasks, and the edges between them.

    Args:
        genome: Genome of any space.
        tasks: Names of all tasks; without them, the tasks that the genome does not name are one node.

    Example:
        >>> from sennit.fusion.cell.genome import Cell
        >>> nodes, edges = graph_of(Genome(("a", "b"), (Cell((("a", "1"),)),), width=8))
        >>> [node.name for node in nodes], [(edge.source, edge.target) for edge in edges]
        (['tap_0_0', 'unused_1', 'cell_1', 'task_0'], [('tap_0_0', 'cell_1'), ('cell_1', 'task_0')])
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    taps: dict[tuple[str, str], str] = {}
    joined = [(m, EMBEDDING) for m in genome.used] if genome.merge in MERGED else []
    read = [*(pair for cell in genome.cells for pair in cell.inputs), *joined]
    for i, modality in enumerate(genome.modalities):
        taps_read = list(dict.fromkeys(tap for m, tap in read if m == modality))
        for k, tap in enumerate(taps_read):
            taps[modality, tap] = f"tap_{i}_{k}"
            nodes.append(Node(f"tap_{i}_{k}", (tap,), "tap", i))
        if not taps_read:
            nodes.append(Node(f"unused_{i}", (modality, "not used"), "unused"))
    for i, cell in enumerate(genome.cells):
        nodes.append(Node(f"cell_{i + 1}", (f"cell {i + 1}", cell_text(genome, i)), "cell"))
        edges += [Edge(taps[pair], f"cell_{i + 1}") for pair in cell.inputs]
        if i:
            edges.append(Edge(f"cell_{i}", f"cell_{i + 1}"))
        if cell.skip:
            edges.append(Edge(f"cell_{i}", f"cell_{i + 1}", skip=True))
    number = 0
    for k, names in tasks_by_cell(genome, tasks):
        source = f"cell_{k + 1}"
        if genome.merge in MERGED:
            nodes.append(Node(f"merge_{k + 1}", (merge_text(genome),), "merge"))
            edges.append(Edge(source, f"merge_{k + 1}"))
            edges += [Edge(taps[pair], f"merge_{k + 1}") for pair in joined]
            source = f"merge_{k + 1}"
        for name in names:
            nodes.append(Node(f"task_{number}", (name,), "task"))
            edges.append(Edge(source, f"task_{number}"))
            number += 1
    return nodes, edges


def tasks_by_cell(genome: Genome, tasks: Sequence[str] = ()) -> list[tuple[int, list[str]]]:
    """Return the indices of the cells that tasks read, the last first, with the names of the tasks."""
    last = len(genome.cells) - 1
    rest = (
        [t for t in tasks if t not in genome.reads] if tasks else ["other tasks" if genome.reads else "tasks"]
    )
    groups: dict[int, list[str]] = {last: rest} if rest else {}
    for task, cell in genome.reads.items():
        if not tasks or task in tasks:
            groups.setdefault(cell, []).append(task)
    return sorted(groups.items(), reverse=True)


def cell_text(genome: Genome, index: int) -> str:
    """Return operator, activation and width of a cell; with one input every operator is a linear map."""
    cell = genome.cells[index]
    operator = cell.operator if len(cell.inputs) + (index > 0) > 1 else "linear"
    return f"{operator} {cell.activation} {genome.width}"


def merge_text(genome: Genome) -> str:
    """Return the merge, with β if it has one."""
    text = MERGED.get(genome.merge, genome.merge)
    return text if genome.beta is None else f"{text} β {genome.beta:g}"
