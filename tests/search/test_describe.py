from __future__ import annotations

import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from sennit.fusion.cell.genome import Cell, Genome
from sennit.search.report.genome_svg import genome_svg
from sennit.search.report.genome_text import describe_genome
from sennit.search.space import Space
from tests.search.genomes import genomes

SVG = "{http://www.w3.org/2000/svg}"
ODD = 'a "b" [c]\\'
GENOME = Genome(
    modalities=("image", ODD, "text"),
    cells=(
        Cell((("image", "stage2"), (ODD, "layer.3")), "gated"),
        Cell((("image", "pooled"),), "sum", "tanh", True),
    ),
    width=64,
    merge="multiplicative",
    beta=0.5,
    reads={"how old?": 0},
)


def test_the_line_names_all_that_makes_the_genome() -> None:
    assert describe_genome(GENOME) == (
        'image.stage2 + "a \\"b\\" [c]\\\\"."layer.3" → gated relu 64 → (+ image.pooled) sum tanh skip '
        '⇒ multiplicative β 0.5; "how old?" reads cell 1; without text'
    )


def test_a_cell_with_one_input_is_called_linear() -> None:
    assert (
        describe_genome(Genome(("a",), (Cell((("a", "1"),), "gated"),), 8))
        == "a.1 → linear relu 8 ⇒ intermediate"
    )


def test_another_form_is_refused_with_the_close_one() -> None:
    with pytest.raises(ValueError, match=r"unknown form 'mermiad'. Did you mean 'mermaid'"):
        describe_genome(GENOME, form="mermiad")


@given(genomes())
def test_the_line_is_one_line_whatever_the_names(drawn: tuple[Space, Genome]) -> None:
    _, genome = drawn
    text = describe_genome(genome)
    assert len(text.splitlines()) == 1
    assert text.count(" skip") >= sum(cell.skip for cell in genome.cells)
    assert len(text.split(" → ")) >= len(genome.cells) + 1


@given(genomes())
def test_mermaid_declares_its_nodes_before_it_joins_them(drawn: tuple[Space, Genome]) -> None:
    space, genome = drawn
    lines = describe_genome(genome, form="mermaid", tasks=space.tasks).splitlines()
    assert lines[0] == "flowchart LR"
    declared: set[str] = set()
    depth = 0
    for line in (line.strip() for line in lines[1:]):
        if node := re.fullmatch(r'(\w+)\["([^"\[\]<>&`]|<br/>)*"\]:::(\w+)', line):
            assert node[1] not in declared
            declared.add(node[1])
        elif edge := re.fullmatch(r"(\w+) (?:-->|-\. skip \.->) (\w+)", line):
            assert {edge[1], edge[2]} <= declared
        elif re.fullmatch(r'subgraph \w+\["[^"\[\]<>&`]*"\]', line):
            depth += 1
        elif line == "end":
            depth -= 1
        else:
            assert re.fullmatch(r"classDef \w+ [\w#:,-]+", line), line
    assert depth == 0
    check_counts(space, genome, declared, "\n".join(lines).count("skip .->"))


@given(genomes())
def test_dot_declares_its_nodes_before_it_joins_them(drawn: tuple[Space, Genome]) -> None:
    space, genome = drawn
    text = describe_genome(genome, form="dot", tasks=space.tasks)
    bare = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)  # without what stands in quotes
    assert '"' not in bare.replace('""', "")
    assert bare.count("{") == bare.count("}")
    assert bare.count("[") == bare.count("]")
    declared = set()
    for line in bare.splitlines():
        if node := re.match(r"\s+(\w+) \[label", line):
            declared.add(node[1])
        if edge := re.match(r"\s+(\w+) -> (\w+)", line):
            assert {edge[1], edge[2]} <= declared
    check_counts(space, genome, declared, bare.count("style=dashed"))


def check_counts(space: Space, genome: Genome, declared: set[str], skips: int) -> None:
    kinds = [name.split("_")[0] for name in declared]
    assert kinds.count("cell") == len(genome.cells)
    assert kinds.count("unused") == len(genome.unused)
    assert kinds.count("task") == len(space.tasks)
    places = {genome.reads.get(task, len(genome.cells) - 1) for task in space.tasks}
    merged = genome.merge in ("late", "decision", "multiplicative")
    assert kinds.count("merge") == (len(places) if merged else 0)
    assert skips == sum(cell.skip for cell in genome.cells)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz (dot) is not installed")
@settings(max_examples=10, deadline=None)
@given(genomes())
def test_graphviz_reads_the_dot_text(drawn: tuple[Space, Genome]) -> None:
    text = describe_genome(drawn[1], form="dot")
    subprocess.run(["dot", "-Tcanon"], input=text.encode(), check=True, capture_output=True)


@given(genomes())
def test_the_drawing_is_xml_with_its_boxes_apart_and_inside(drawn: tuple[Space, Genome]) -> None:
    space, genome = drawn
    root = ElementTree.fromstring(genome_svg(genome, space.tasks))
    _, _, width, height = (float(x) for x in root.attrib["viewBox"].split())
    boxes = []
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.attrib[k]) for k in ("x", "y", "width", "height"))
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height
        boxes.append((x, y, x + w, y + h))
    for i, (left, top, right, bottom) in enumerate(boxes):
        for x0, y0, x1, y1 in boxes[:i]:
            assert right <= x0 or x1 <= left or bottom <= y0 or y1 <= top
    read = sum(len(cell.inputs) for cell in genome.cells)
    places = {genome.reads.get(task, len(genome.cells) - 1) for task in space.tasks}
    merged = genome.merge in ("late", "decision", "multiplicative")
    joined = len(places) * (1 + len(genome.used)) if merged else 0
    assert len(boxes) == read + joined + len(genome.cells) + len(space.tasks) + len(genome.unused)


def test_a_drawing_shortens_what_does_not_fit_and_keeps_the_whole_as_its_title() -> None:
    name = "W" * 80
    root = ElementTree.fromstring(genome_svg(Genome((name,), (Cell(((name, "1"),)),), 8), ["y"]))
    shown = [t.text or "" for t in root.iter(f"{SVG}text")]
    assert all(len(text) < 40 for text in shown)
    assert any(text.endswith("… · 1") for text in shown)  # the tap is not lost
    assert any(name in (t.text or "") for t in root.iter(f"{SVG}title"))
