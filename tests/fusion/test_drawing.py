"""The text of a fusion's structure, read back line by line."""

from __future__ import annotations

import html
import re
import shutil
import subprocess

import pytest

from sennit.encoders import create_encoder
from sennit.fusion import FusedEncoder, create_fusion, describe_fusion
from sennit.fusion.decision.mulmix import MulMix
from tests.contracts.test_fusions import EXAMPLES
from tests.parts import MODALITIES, make_encoders

ODD = 'a "b" [c] <d> & #e; \\n `f`\n{g|h} --> end'
Graph = tuple[dict[str, list[str]], set[tuple[str, str]]]


def make(name: str, modalities: tuple[str, ...] = MODALITIES) -> FusedEncoder:
    encoders = make_encoders(modalities)
    return FusedEncoder(encoders, create_fusion(name, encoders, embed_dim=8, **EXAMPLES[name]))


def read_mermaid(text: str) -> Graph:
    nodes: dict[str, list[str]] = {}
    edges: set[tuple[str, str]] = set()
    lines = text.splitlines()
    assert lines[0] == "flowchart LR"
    for line in (line.strip() for line in lines[1:]):
        if node := re.fullmatch(r'(\w+)\["((?:[^"\[\]<>&`{}|]|<br/>)*)"\]:::\w+', line):
            assert node[1] not in nodes
            nodes[node[1]] = [
                re.sub(r"#(\d+);", lambda m: chr(int(m[1])), part) for part in node[2].split("<br/>")
            ]
        elif edge := re.fullmatch(r"(\w+) --> (\w+)", line):
            assert {edge[1], edge[2]} <= set(nodes)
            edges.add((edge[1], edge[2]))
        else:
            assert re.fullmatch(r"classDef \w+ [\w#:,]+", line), line
    return nodes, edges


def read_dot(text: str) -> Graph:
    nodes: dict[str, list[str]] = {}
    edges: set[tuple[str, str]] = set()
    bare = re.sub(r'"(?:[^"\\\n]|\\.)*"', "", text)  # without what stands in quotes
    assert '"' not in bare
    assert bare.count("{") == bare.count("}") == 1
    assert bare.count("[") == bare.count("]")
    for line in text.splitlines()[3:-1]:
        if node := re.match(r'\s+(\w+) \[label="((?:[^"\\]|\\.)*)", ', line):
            parts = re.split(r"(?<!\\)\\n", node[2])
            nodes[node[1]] = [html.unescape(re.sub(r"\\(.)", r"\1", part)) for part in parts]
        else:
            edge = re.fullmatch(r"\s+(\w+) -> (\w+);", line)
            assert edge, line
            assert {edge[1], edge[2]} <= set(nodes)
            edges.add((edge[1], edge[2]))
    return nodes, edges


READ = {"mermaid": read_mermaid, "dot": read_dot}


def reached(graph: Graph) -> set[str]:
    """The boxes from which a way leads to the last one."""
    nodes, edges = graph
    found = {list(nodes)[-1]}
    while more := {a for a, b in edges if b in found} - found:
        found |= more
    return found


@pytest.mark.parametrize("form", READ)
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_fusion_leads_from_its_modalities_to_the_output(name: str, form: str) -> None:
    fused = make(name)
    for what in (fused, fused.fusion):
        graph = READ[form](describe_fusion(what, form=form))
        titles = {key: lines[0] for key, lines in graph[0].items()}
        assert [t for t in titles.values() if t in MODALITIES] == list(MODALITIES)
        assert reached(graph) == set(titles)
        assert sum(lines == [name, f"{fused.fusion.stage}, 8"] for lines in graph[0].values()) == 1
    count = fused.fusion.candidates
    if fused.fusion.stage == "decision":
        titles = [lines[0] for lines in READ[form](describe_fusion(fused, form=form))[0].values()]
        assert sum(t.startswith("candidate ") for t in titles) == count
        assert titles[-1] == f"{count} candidates of 8"


@pytest.mark.parametrize("form", READ)
def test_encoders_and_nested_fusions_are_named(form: str) -> None:
    trio = {"pair": make("gated", ("table", "series")), **make_encoders(("image",))}
    nested = FusedEncoder(trio, create_fusion("concat", trio, embed_dim=4))
    nodes, edges = READ[form](describe_fusion(nested, form=form))
    assert list(nodes.values()) == [
        ["table", "mlp"],
        ["series", "tcn"],
        ["gated", "late, 8"],
        ["image", "conv"],
        ["concat", "late, 4"],
        ["pooled 4"],
    ]
    assert edges == {("n0", "n2"), ("n1", "n2"), ("n2", "n4"), ("n3", "n4"), ("n4", "n5")}


@pytest.mark.parametrize("form", READ)
def test_a_mixture_reads_its_modalities_alone(form: str) -> None:
    encoders = make_encoders(("table", "series"))
    fusion = MulMix(encoders, mixtures=[("series",), ("table", "series")])
    nodes, edges = READ[form](describe_fusion(fusion, form=form))
    title = {key: lines[0] for key, lines in nodes.items()}
    found = {(title[a], title[b]) for a, b in edges if title[b].startswith("candidate")}
    whole = "candidate table + series"
    assert found == {("series", "candidate series"), ("table", whole), ("series", whole)}


@pytest.mark.parametrize("form", READ)
def test_names_are_escaped(form: str) -> None:
    encoders = {ODD: create_encoder("mlp", 3)}
    text = describe_fusion(FusedEncoder(encoders, create_fusion("sum", encoders)), form=form)
    found = next(iter(READ[form](text)[0].values()))[0]
    assert found == (ODD if form == "mermaid" else ODD.replace("\n", " "))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz (dot) is not installed")
def test_graphviz_reads_the_dot_text() -> None:
    encoders = {ODD: create_encoder("mlp", 3)}
    text = describe_fusion(create_fusion("mulmix", encoders), form="dot")
    subprocess.run(["dot", "-Tcanon"], input=text.encode(), check=True, capture_output=True)


def test_another_form_is_refused_with_the_close_one() -> None:
    with pytest.raises(ValueError, match=r"unknown form 'mermiad'. Did you mean 'mermaid'"):
        describe_fusion(make("sum"), form="mermiad")
