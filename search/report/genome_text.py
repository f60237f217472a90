"""A genome as text: one line, Mermaid or DOT."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from sennit.fusion._quoting import dot_text, mermaid_text
from sennit.fusion.cell.genome import Genome
from sennit.registry import unknown_name
from sennit.search.report.graph import Node, cell_text, graph_of

_FILLS = {"tap": "#f2f4f6", "unused": "#f2f4f6", "cell": "#eaf3ff", "merge": "#fdf1e3", "task": "#e6f5f3"}
_STROKES = {"tap": "#8c959f", "unused": "#c9ced6", "cell": "#3b76c4", "merge": "#d9822b", "task": "#2a9d8f"}


def describe_genome(genome: Genome, *, form: str = "line", tasks: Sequence[str] = ()) -> str:
    """Describe a genome as text.

    Args:
        genome: Genome of any space.
        form: ``"line"``, ``"mermaid"`` (a flowchart, as Markdown pages draw them) or ``"dot"`` (Graphviz).
        tasks: Names of all tasks, for the graphs: a genome names only tasks that do not read its last cell.

    Raises:
        ValueError: The form is unknown.

    Example:
        >>> from sennit.fusion.cell.genome import Cell
        >>> cells = Cell((("image", "stage2"), ("speech", "pooled")), "gated"), Cell((), "sum", "tanh")
        >>> print(describe_genome(Genome(("image", "speech", "text"), cells, 64, "late", reads={"age": 0})))
        image.stage2 + speech.pooled → gated relu 64 → linear tanh ⇒ late; age reads cell 1; without text
    """
    forms: Mapping[str, Callable[[Genome, Sequence[str]], str]] = {
        "line": _line,
        "mermaid": _mermaid,
        "dot": _dot,
    }
    if form not in forms:
        raise unknown_name("form", form, forms)
    return forms[form](genome, tasks)


def _line(genome: Genome, tasks: Sequence[str]) -> str:
    steps = []
    for i, cell in enumerate(genome.cells):
        inputs = " + ".join(f"{_quoted(m)}.{_quoted(tap)}" for m, tap in cell.inputs)
        operator = cell_text(genome, i)
        if i == 0:
            steps += [inputs, operator]
        else:
            operator = operator.rsplit(" ", 1)[0] + (" skip" if cell.skip else "")
            steps.append(f"(+ {inputs}) {operator}" if inputs else operator)
    beta = "" if genome.beta is None else f" β {genome.beta:g}"
    ends = [f"{' → '.join(steps)} ⇒ {genome.merge}{beta}"]
    ends += [f"{_quoted(task)} reads cell {cell + 1}" for task, cell in genome.reads.items()]
    if genome.unused:
        ends.append(f"without {', '.join(_quoted(m) for m in genome.unused)}")
    return "; ".join(ends)


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name) else json.dumps(name, ensure_ascii=not name.isprintable())


def _mermaid(genome: Genome, tasks: Sequence[str]) -> str:
    nodes, edges = graph_of(genome, tasks)
    lines = ["flowchart LR"]
    for i, modality in enumerate(genome.modalities):
        taps = [n for n in nodes if n.modality == i]
        if taps:
            lines.append(f'  subgraph modality_{i}["{mermaid_text(modality)}"]')
            lines += [f"    {_mermaid_node(node)}" for node in taps]
            lines.append("  end")
    lines += [f"  {_mermaid_node(node)}" for node in nodes if node.modality < 0]
    lines += [f"  {e.source} {'-. skip .->' if e.skip else '-->'} {e.target}" for e in edges]
    for kind, fill in _FILLS.items():
        grey = ",color:#8c959f,stroke-dasharray:4" if kind == "unused" else ",color:#1b1f24"
        lines.append(f"  classDef {kind} fill:{fill},stroke:{_STROKES[kind]}{grey}")
    return "\n".join(lines) + "\n"


def _mermaid_node(node: Node) -> str:
    text = "<br/>".join(mermaid_text(line) for line in node.lines)
    return f'{node.name}["{text}"]:::{node.kind}'


def _dot(genome: Genome, tasks: Sequence[str]) -> str:
    nodes, edges = graph_of(genome, tasks)
    lines = [
        "digraph fusion {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
    ]
    for i, modality in enumerate(genome.modalities):
        taps = [n for n in nodes if n.modality == i]
        if taps:
            lines += [
                f"  subgraph cluster_{i} {{",
                f"    label={dot_text(modality)};",
                '    color="#c9ced6";',
            ]
            lines += [f"    {_dot_node(node)}" for node in taps]
            lines.append("  }")
    lines += [f"  {_dot_node(node)}" for node in nodes if node.modality < 0]
    dashed = ' [style=dashed, label="skip"]'
    lines += [f"  {e.source} -> {e.target}{dashed if e.skip else ''};" for e in edges]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_node(node: Node) -> str:
    grey = ', fontcolor="#8c959f"' if node.kind == "unused" else ""
    label = dot_text(*node.lines)
    return (
        f'{node.name} [label={label}, fillcolor="{_FILLS[node.kind]}", color="{_STROKES[node.kind]}"{grey}];'
    )
