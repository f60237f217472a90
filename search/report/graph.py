"""A genome as nodes and edges, for whatever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sennit.fusion.cell.genome import EMBEDDING, Genome

MERGED = {"late": "late: joined", "decision": "decision: mean", "multiplicative": "multiplicative"}


@dataclass(frozen=True)
class Node:
    """Something to draw.

    Args:
        name: Letters, digits and ``_`` alone, whatever the labels hold.
        lines: What it says.
        kind: ``"tap"``, ``"unused"``, ``"cell"``, ``"merge"`` or ``"task"``.
        modality: Place of the modality of a tap; −1 for the others.
    """

    name: str
    lines: tuple[str, ...]
    kind: str
    modality: int = -1


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another; a skip adds what it carries to the result."""

    source: str
    target: str
    skip: bool = False


def graph_of(genome: Genome, tasks: Sequence[str] = ()) -> tuple[list[Node], list[Edge]]:
    """Nodes, from taps to tasks, and the edges between them.

    Args:
        genome: Of any space.
        tasks: All names; without them, those that the genome does not name are one node.

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
        own = list(dict.fromkeys(tap for m, tap in read if m == modality))
        for k, tap in enumerate(own):
            taps[modality, tap] = f"tap_{i}_{k}"
            nodes.append(Node(f"tap_{i}_{k}", (tap,), "tap", i))
        if not own:
            nodes.append(Node(f"unused_{i}", (modality, "not used"), "unused"))
    for i, cell in enumerate(genome.cells):
        nodes.append(Node(f"cell_{i + 1}", (f"cell {i + 1}", cell_text(genome, i)), "cell"))
        edges += [Edge(taps[pair], f"cell_{i + 1}") for pair in cell.inputs]
        if i:
            edges.append(Edge(f"cell_{i}", f"cell_{i + 1}"))
        if cell.skip:
            edges.append(Edge(f"cell_{i}", f"cell_{i + 1}", skip=True))
    number = 0
    for place, names in readers(genome, tasks):
        source = f"cell_{place + 1}"
        if genome.merge in MERGED:
            nodes.append(Node(f"merge_{place + 1}", (merge_text(genome),), "merge"))
            edges.append(Edge(source, f"merge_{place + 1}"))
            edges += [Edge(taps[pair], f"merge_{place + 1}") for pair in joined]
            source = f"merge_{place + 1}"
        for name in names:
            nodes.append(Node(f"task_{number}", (name,), "task"))
            edges.append(Edge(source, f"task_{number}"))
            number += 1
    return nodes, edges


def readers(genome: Genome, tasks: Sequence[str] = ()) -> list[tuple[int, list[str]]]:
    """The cells that tasks read, the last one first, each with the names of its tasks."""
    last = len(genome.cells) - 1
    rest = (
        [t for t in tasks if t not in genome.reads] if tasks else ["other tasks" if genome.reads else "tasks"]
    )
    places = {t: place for t, place in genome.reads.items() if not tasks or t in tasks}
    found: dict[int, list[str]] = {last: rest} if rest else {}
    for task, place in places.items():
        found.setdefault(place, []).append(task)
    return sorted(found.items(), reverse=True)


def cell_text(genome: Genome, place: int) -> str:
    """Operator, activation and width; with one input every operator is a linear map."""
    cell = genome.cells[place]
    operator = cell.operator if len(cell.inputs) + (place > 0) > 1 else "linear"
    return f"{operator} {cell.activation} {genome.width}"


def merge_text(genome: Genome) -> str:
    """The merge, with β where it has one."""
    text = MERGED.get(genome.merge, genome.merge)
    return text if genome.beta is None else f"{text} β {genome.beta:g}"
