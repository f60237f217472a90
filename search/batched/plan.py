"""Which candidate of a stack is where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sennit.fusion.cell import Operator, create_operator
from sennit.fusion.cell.genome import EMBEDDING
from sennit.fusion.intermediate.cells import CellLayer
from sennit.search.batched.candidate import Candidate
from sennit.search.batched.parameter_layout import Block, ParameterLayout, tap_name

_KINDS = {"early": 0, "intermediate": 0, "late": 1, "decision": 2, "multiplicative": 3}


@dataclass(frozen=True)
class Group:
    """The candidates whose cell of a level has the same operator.

    Attributes:
        operator: What they do.
        members: Their places, those of one activation side by side.
        runs: Name of the activation, start and stop, of each run of members.
        blocks: By input and member.
        name: Of the tensors that map the state.
    """

    operator: Operator
    members: list[int]
    runs: list[tuple[str, int, int]]
    blocks: list[list[Block]]
    name: str


@dataclass(frozen=True)
class Plan:
    """The candidates in groups that are computed together.

    Attributes:
        layout: Where their parameters are.
        levels: The groups of each level.
        order: BlockLayout of the candidates in the order of the outputs: plain merges, late ones, those
            under the mean rule, multiplicative ones.
        late: How many are late.
        joined: Blocks of the late merges, by modality.
        own: By candidate under a rule, the block of each modality's embedding.
        mean: How many of those are under the mean rule; the multiplicative ones come after them.
    """

    layout: ParameterLayout
    levels: list[list[Group]]
    order: list[int]
    late: int
    joined: list[list[Block]]
    own: list[list[Block]]
    mean: int


def make_plan(candidates: Sequence[Candidate]) -> Plan:
    """Lay candidates of one space side by side."""
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
        layout.state(i, row, "join", layer.state)
    if late:
        layout.shapes |= {"join.weight": (len(late), width, 1, width), "join.bias": (len(late), 1, 1, width)}
    own: list[list[Block]] = [[None] * len(modalities) for _ in ruled]
    for row, i in enumerate(ruled):
        for k, m in enumerate(genomes[i].used):
            own[row][modalities.index(m)] = layout.tap(i, m, EMBEDDING, candidates[i].fusion.project[k], None)
    _heads(layout, candidates, order, ruled)
    _taps(layout, candidates)
    mean = sum(g.merge == "decision" for g in genomes)
    return Plan(layout, levels, order, len(late), joined, own, mean)


def _level(layout: ParameterLayout, candidates: Sequence[Candidate], level: int) -> list[Group]:
    cells = {
        i: c.fusion.genome.cells[level]
        for i, c in enumerate(candidates)
        if len(c.fusion.genome.cells) > level
    }
    modalities, groups = candidates[0].fusion.modalities, []
    for operator_name in sorted({cell.operator for cell in cells.values()}):
        operator, name = create_operator(operator_name), f"state{level}/{operator_name}"
        members = [i for i, cell in cells.items() if cell.operator == operator_name]
        members.sort(key=lambda i: cells[i].activation)
        blocks: list[list[Block]] = [[None] * len(members) for _ in modalities]
        for row, i in enumerate(members):
            layer = candidates[i].fusion.cells[level]
            assert isinstance(layer, CellLayer)
            for k, (m, tap) in enumerate(cells[i].inputs):
                token = layer.missing.tokens[k]
                blocks[modalities.index(m)][row] = layout.tap(
                    i, m, tap, layer.taps[k], token, operator.blocks
                )
            if layer.state is not None:
                layout.state(i, row, name, layer.state, operator.blocks)
        if level:
            shape = len(members), operator.blocks, layout.width
            layout.shapes[f"{name}.weight"] = (shape[0], layout.width, *shape[1:])
            layout.shapes[f"{name}.bias"] = (shape[0], 1, *shape[1:])
        runs: list[tuple[str, int, int]] = []
        for at, i in enumerate(members):
            act = cells[i].activation
            start = runs.pop()[1] if runs and runs[-1][0] == act else at
            runs.append((act, start, at + 1))
        groups.append(Group(operator, members, runs, [row for row in blocks if any(row)], name))
    return groups


def _heads(
    layout: ParameterLayout, candidates: Sequence[Candidate], order: list[int], ruled: list[int]
) -> None:
    modalities = candidates[0].fusion.modalities
    for task, objective in candidates[0].objectives.items():
        for row, i in enumerate(order):
            layout.head(i, row, f"head/{task}", candidates[i].heads[task][0])
        sizes = {f"head/{task}": len(order)}
        for at, i in enumerate(ruled):
            for k, m in enumerate(candidates[i].fusion.genome.used):
                row = at * len(modalities) + modalities.index(m)
                layout.head(i, row, f"own/{task}", candidates[i].heads[task][1 + k])
        if ruled:
            sizes[f"own/{task}"] = len(ruled) * len(modalities)
        for name, size in sizes.items():
            layout.shapes[f"{name}.weight"] = (size, layout.width, objective.out_dim)
            layout.shapes[f"{name}.bias"] = (size, 1, objective.out_dim)


def _taps(layout: ParameterLayout, candidates: Sequence[Candidate]) -> None:
    dims = candidates[0].fusion.dims
    for (m, tap), count in layout.counts.items():
        name = tap_name(m, tap)
        layout.shapes[f"{name}.weight"] = (count, dims[m][tap], layout.width)
        layout.shapes[f"{name}.bias"] = layout.shapes[f"{name}.token"] = (count, 1, layout.width)
