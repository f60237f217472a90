"""The positions of candidates that are computed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sennit.fusion.cell import (
    Attention,
    Concat,
    Gated,
    Hadamard,
    LowRank,
    Operator,
    Sum,
    create_operator,
)
from sennit.fusion.cell.genome import EMBEDDING
from sennit.fusion.intermediate.cells import CellLayer
from sennit.search.batched.candidate import Candidate
from sennit.search.batched.parameter_layout import Block, ParameterLayout, tap_name

_KINDS = {"early": 0, "intermediate": 0, "late": 1, "decision": 2, "multiplicative": 3}
# Operators that are computed together stand side by side; see `CombineLevel`.
_ORDER: tuple[type[Operator], ...] = (Concat, Hadamard, LowRank, Attention, Sum, Gated)


@dataclass(frozen=True)
class Group:
    """The candidates whose cell of a level has the same operator.

    The group has a row for each block of each member: first those of the first block, then the next.

    Attributes:
        operator: Operator of these cells.
        members: Indices of the candidates, those of one activation side by side.
        activations: Activation of each member.
        blocks: First blocks, by input and member.
    """

    operator: Operator
    members: list[int]
    activations: list[str]
    blocks: list[list[Block]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.members) * self.operator.blocks


@dataclass(frozen=True)
class Plan:
    """The candidates in groups that are computed together.

    Attributes:
        layout: Layout of their parameters.
        levels: Groups of each level.
        order: Indices of the candidates in the order of the outputs: plain merges, late ones, those
            under the mean rule, multiplicative ones.
        late: Number of late merges.
        joined: Blocks of the late merges, by modality.
        embeddings: Block of each modality's embedding, for each candidate under a rule.
        mean: Number of candidates under the mean rule; the multiplicative ones follow them.
    """

    layout: ParameterLayout
    levels: list[list[Group]]
    order: list[int]
    late: int
    joined: list[list[Block]]
    embeddings: list[list[Block]]
    mean: int


def make_plan(candidates: Sequence[Candidate]) -> Plan:
    """Arrange candidates of one space side by side."""
    genomes = [c.fusion.genome for c in candidates]
    width, modalities = max(g.width for g in genomes), genomes[0].modalities
    layout = ParameterLayout.of(candidates, width)
    depth = max(len(g.cells) for g in genomes)
    levels = [_level(layout, candidates, level) for level in range(depth)]

    order = sorted(range(len(genomes)), key=lambda i: _KINDS[genomes[i].merge])
    late = [i for i in order if genomes[i].merge == "late"]
    ruled = [i for i in order if candidates[i].fusion.rule is not None]
    joined: list[list[Block]] = [[None] * len(late) for _ in modalities]
    for row, i in enumerate(late):
        layer = candidates[i].fusion.join
        assert layer is not None
        for k, m in enumerate(genomes[i].used):
            token = layer.missing.tokens[k]
            joined[modalities.index(m)][row] = layout.tap(i, m, EMBEDDING, layer.taps[k], token)
        assert layer.state is not None
        layout.state(i, slice(row, row + 1), "join", layer.state)
    if late:
        layout.shapes |= {"join.weight": (len(late), width, width), "join.bias": (len(late), 1, width)}
    embeddings: list[list[Block]] = [[None] * len(modalities) for _ in ruled]
    for row, i in enumerate(ruled):
        for k, m in enumerate(genomes[i].used):
            embeddings[row][modalities.index(m)] = layout.tap(
                i, m, EMBEDDING, candidates[i].fusion.project[k], None
            )
    _heads(layout, candidates, order, ruled)
    _taps(layout, candidates)
    mean = sum(g.merge == "decision" for g in genomes)
    return Plan(layout, levels, order, len(late), joined, embeddings, mean)


def _level(layout: ParameterLayout, candidates: Sequence[Candidate], level: int) -> list[Group]:
    cells = {
        i: c.fusion.genome.cells[level]
        for i, c in enumerate(candidates)
        if len(c.fusion.genome.cells) > level
    }
    modalities, first, groups = candidates[0].fusion.modalities, 0, []
    operators = {name: create_operator(name) for name in sorted({cell.operator for cell in cells.values()})}
    for name in sorted(operators, key=lambda name: _place(operators[name])):
        operator = operators[name]
        members = [i for i, cell in cells.items() if cell.operator == name]
        members.sort(key=lambda i: cells[i].activation)
        blocks: list[list[Block]] = [[None] * len(members) for _ in modalities]
        group = Group(operator, members, [cells[i].activation for i in members], blocks)
        for column, i in enumerate(members):
            layer = candidates[i].fusion.cells[level]
            assert isinstance(layer, CellLayer)
            for k, (m, tap) in enumerate(cells[i].inputs):
                token = layer.missing.tokens[k]
                layout.reading(i, m, tap, layer.readings[k], operator.blocks)
                block = layout.tap(i, m, tap, layer.taps[k], token, operator.blocks)
                blocks[modalities.index(m)][column] = block
            if layer.state is not None:
                rows = slice(first + column, first + group.rows, len(members))
                layout.state(i, rows, f"state{level}", layer.state, operator.blocks)
        groups.append(group)
        first += group.rows
    if level:
        layout.shapes[f"state{level}.weight"] = (first, layout.width, layout.width)
        layout.shapes[f"state{level}.bias"] = (first, 1, layout.width)
    return groups


def _place(operator: Operator) -> int:
    return _ORDER.index(type(operator)) if type(operator) in _ORDER else len(_ORDER)


def _heads(
    layout: ParameterLayout, candidates: Sequence[Candidate], order: list[int], ruled: list[int]
) -> None:
    modalities = candidates[0].fusion.modalities
    for task_name, task in candidates[0].tasks.items():
        plain, of_embeddings = f"head/{task_name}", f"embedding_head/{task_name}"
        for row, i in enumerate(order):
            layout.head(i, row, plain, candidates[i].heads[task_name][0])
        counts = {plain: len(order)}
        for position, i in enumerate(ruled):
            for k, m in enumerate(candidates[i].fusion.genome.used):
                row = position * len(modalities) + modalities.index(m)
                layout.head(i, row, of_embeddings, candidates[i].heads[task_name][1 + k])
        if ruled:
            counts[of_embeddings] = len(ruled) * len(modalities)
        for name, count in counts.items():
            layout.shapes[f"{name}.weight"] = (count, layout.width, task.out_dim)
            layout.shapes[f"{name}.bias"] = (count, 1, task.out_dim)


def _taps(layout: ParameterLayout, candidates: Sequence[Candidate]) -> None:
    dims = candidates[0].fusion.dims
    for (m, tap), count in layout.counts.items():
        name = tap_name(m, tap)
        layout.shapes[f"{name}.weight"] = (count, dims[m][tap], layout.width)
        layout.shapes[f"{name}.bias"] = layout.shapes[f"{name}.token"] = (count, 1, layout.width)
