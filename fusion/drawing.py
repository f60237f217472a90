"""Drawings of a fusion as text: Mermaid or DOT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sennit.encoders._base import Encoder
from sennit.fusion._base import Fusion
from sennit.fusion._quoting import dot_text, mermaid_text
from sennit.fusion.fused_encoder import FusedEncoder
from sennit.registry import unknown_name

_FILLS = {"modality": "#f2f4f6", "route": "#eaf3ff", "fusion": "#fdf1e3", "output": "#e6f5f3"}
_STROKES = {"modality": "#8c959f", "route": "#3b76c4", "fusion": "#d9822b", "output": "#2a9d8f"}


@dataclass(frozen=True)
class Node:
    """A box: its lines of text, its kind, and the numbers of the boxes that lead to it."""

    lines: tuple[str, ...]
    kind: str
    sources: tuple[int, ...] = ()


def describe_fusion(what: Fusion | FusedEncoder, *, form: str = "mermaid") -> str:
    """Draw the modalities, the candidates or paths of the fusion, the fusion itself and its output.

    Args:
        what: Fusion; or a `FusedEncoder`, which shows its encoders and nested fusions too.
        form: Language of the drawing, ``"mermaid"`` (a flowchart, as Markdown pages draw them) or ``"dot"``
            (Graphviz).

    Raises:
        ValueError: ``form`` is unknown.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> fusion = create_fusion("sum", {"a": create_encoder("mlp", 3)}, embed_dim=8)
        >>> print(describe_fusion(fusion).partition("  classDef")[0])
        flowchart LR
          n0["a"]:::modality
          n1["sum<br/>late, 8"]:::fusion
          n0 --> n1
          n2["pooled 8"]:::output
          n1 --> n2
        <BLANKLINE>
    """
    forms: Mapping[str, Callable[[Sequence[Node]], str]] = {"mermaid": _mermaid, "dot": _dot}
    if form not in forms:
        raise unknown_name("form", form, forms)
    fusion, fused = (what, None) if isinstance(what, Fusion) else (what.fusion, what)
    nodes: list[Node] = []
    last = _add(nodes, fusion, fused)
    count = fusion.candidates
    text = f"pooled {fusion.embed_dim}" if count == 1 else f"{count} candidates of {fusion.embed_dim}"
    nodes.append(Node((text,), "output", (last,)))
    return forms[form](nodes)


def _add(nodes: list[Node], fusion: Fusion, fused: FusedEncoder | None) -> int:
    """Append the fusion's box after those that lead to it; return its number."""
    place: dict[str, int] = {}
    nested = {} if fused is None else fused.nested
    leaves = {} if fused is None else fused.leaves()
    for name in fusion.modalities:
        if name in nested:
            place[name] = _add(nodes, nested[name].fusion, nested[name])
        else:
            nodes.append(Node((name, *_encoder(leaves.get(name))), "modality"))
            place[name] = len(nodes) - 1
    routes = fusion.routes()
    sources = []
    for name, modalities in routes:
        nodes.append(Node((name,), "route", tuple(place[m] for m in modalities)))
        sources.append(len(nodes) - 1)
    text = f"{fusion.stage}, {fusion.embed_dim}"
    sources = sources or list(place.values())
    nodes.append(Node((fusion.registry_name or type(fusion).__name__, text), "fusion", tuple(sources)))
    return len(nodes) - 1


def _encoder(encoder: Encoder | None) -> tuple[str, ...]:
    if encoder is None:
        return ()
    name = encoder.registry_name or type(encoder).__name__
    return (name + str(encoder.config.get("model_name", "")),)  # a family's name ends in "/"


def _mermaid(nodes: Sequence[Node]) -> str:
    lines = ["flowchart LR"]
    for i, node in enumerate(nodes):
        text = "<br/>".join(mermaid_text(line) for line in node.lines)
        lines.append(f'  n{i}["{text}"]:::{node.kind}')
        lines += [f"  n{source} --> n{i}" for source in node.sources]
    lines += [
        f"  classDef {kind} fill:{fill},stroke:{_STROKES[kind]},color:#1b1f24"
        for kind, fill in _FILLS.items()
    ]
    return "\n".join(lines) + "\n"


def _dot(nodes: Sequence[Node]) -> str:
    lines = [
        "digraph fusion {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
    ]
    for i, node in enumerate(nodes):
        colours = f'fillcolor="{_FILLS[node.kind]}", color="{_STROKES[node.kind]}"'
        lines.append(f"  n{i} [label={dot_text(*node.lines)}, {colours}];")
        lines += [f"  n{source} -> n{i};" for source in node.sources]
    return "\n".join([*lines, "}"]) + "\n"
