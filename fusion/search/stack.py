"""A generation as one net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fusion.cell import ACTIVATIONS
from fusion.intermediate.cells import Taps
from fusion.search.candidate import (
    Candidate,
    Output,
    Present,
    decide,
    readers,
    restricted,
    sample_losses,
)
from fusion.search.packing import Block, tap_name
from fusion.search.plan import Group, Plan, make_plan


class Stack:
    """Candidates of one space side by side: batched products over candidates, grouped by operator.

    Every map of a tap is made at once, for all cells of all candidates; then each level in turn, one
    group of candidates with the same operator after the other. Narrow candidates are padded with zeros,
    which stay zero. The gradient of the summed loss is that of each candidate's own, and so one optimiser
    step moves each as if it were alone.

    Args:
        candidates: Whose parameters it starts with.
        device: Where it computes.

    Attributes:
        tensors: The parameters, by name.
    """

    def __init__(self, candidates: Sequence[Candidate], *, device: torch.device | str = "cpu") -> None:
        self.candidates, self.device = list(candidates), torch.device(device)
        self.objectives = candidates[0].objectives
        self.plan: Plan = make_plan(candidates)
        self.tensors = {
            name: torch.zeros(shape, device=device) for name, shape in self.plan.packing.shapes.items()
        }
        values = [dict(c.named_parameters()) for c in candidates]
        with torch.no_grad():
            for piece in self.plan.packing.pieces:
                piece.pack(values[piece.candidate][piece.name], self.tensors[piece.tensor])
        for tensor in self.tensors.values():
            tensor.requires_grad_()
        self._prepare()

    def _prepare(self) -> None:
        """The indices that every step asks for."""
        plan, genomes = self.plan, [c.fusion.genome for c in self.candidates]
        self._first = {}
        count = 0
        for key, own in plan.packing.counts.items():
            self._first[key] = count
            count += own
        self._none = count  # the block of zeros
        widths = torch.tensor([float(g.width) for g in genomes], device=self.device)
        narrow = bool((widths < plan.packing.width).any())
        column = torch.arange(plan.packing.width, device=self.device)
        self._levels = []
        before: list[int] = []
        for level, groups in enumerate(plan.levels):
            members = [i for group in groups for i in group.members]
            rows = self._index([before.index(i) for i in members]) if level else None
            skip = torch.tensor(
                [[[float(genomes[i].cells[level].skip)]] for i in members], device=self.device
            )
            keep = (column < widths[members, None])[:, None].float() if narrow else None
            parts = [(group, *self._gathering(group), widths[group.members, None]) for group in groups]
            self._levels.append((rows, parts, skip if bool(skip.any()) else None, keep))
            before = members
        starts = [0]
        for groups in plan.levels:
            starts.append(starts[-1] + sum(len(g.members) for g in groups))
        place = [
            {i: starts[level] + at for at, i in enumerate(i for g in groups for i in g.members)}
            for level, groups in enumerate(plan.levels)
        ]
        self._reads = {
            task: self._index(
                [place[genomes[i].reads.get(task, len(genomes[i].cells) - 1)][i] for i in plan.order]
            )
            for task in self.objectives
        }
        self._joined = self._index([self._block(b) for row in plan.joined for b in row])
        self._own = self._index([self._block(b) for row in plan.own for b in row])
        self._there = torch.tensor(
            [[True, *(b is not None for b in row)] for row in plan.own], device=self.device
        )

    def _gathering(self, group: Group) -> tuple[Tensor, Tensor | None]:
        """Which blocks the inputs of a group are, and which of its inputs are there."""
        n = group.operator.blocks
        blocks = [
            self._none if b is None else self._block(b) + k
            for row in group.blocks
            for b in row
            for k in range(n)
        ]
        there = torch.tensor([[[b is not None] for b in row] for row in group.blocks], device=self.device)
        if group.name in {p.tensor.removesuffix(".weight") for p in self.plan.packing.pieces}:
            state = torch.ones(1, len(group.members), 1, dtype=torch.bool, device=self.device)
            there = torch.cat([there, state]) if group.blocks else state
        return self._index(blocks), None if bool(there.all()) else there

    def _block(self, block: Block) -> int:
        return self._none if block is None else self._first[block[:2]] + block[2]

    def _index(self, places: Sequence[int]) -> Tensor:
        return torch.tensor(places, dtype=torch.long, device=self.device)

    def _blocks(self, taps: Taps, present: Present) -> Tensor:
        """The maps of all taps ``[blocks + 1, B, W]``; the last block is of zeros."""
        mapped = []
        for m, tap in self.plan.packing.counts:
            x, name = taps[m][tap], tap_name(m, tap)
            weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
            u = torch.baddbmm(bias, x.expand(len(weight), *x.shape), weight)
            if present is not None:
                u = torch.where(present[m][:, None], u, self.tensors[f"{name}.token"])
            mapped.append(u)
        return torch.cat([*mapped, torch.zeros_like(mapped[0][:1])])

    def _states(self, blocks: Tensor) -> Tensor:
        """The states of all levels, one after the other ``[rows, B, W]``."""
        size, width = blocks.shape[1:]
        states: list[Tensor] = []
        for rows, parts, skip, keep in self._levels:
            before = states[-1].index_select(0, rows) if rows is not None else None
            new, at = [], 0
            for group, index, there, widths in parts:
                n, count = group.operator.blocks, len(group.members)
                inputs = []
                if group.blocks:
                    inputs.append(
                        blocks.index_select(0, index).view(-1, count, n, size, width).transpose(2, 3)
                    )
                if before is not None:
                    weight, bias = self.tensors[f"{group.name}.weight"], self.tensors[f"{group.name}.bias"]
                    mapped = torch.baddbmm(bias.flatten(2), before[at : at + count], weight.flatten(2))
                    inputs.append(mapped.view(1, count, size, n, width))
                u = torch.cat(inputs) if len(inputs) > 1 else inputs[0]
                new.append(group.operator.combine(u, there, _Activations(group.runs), widths))
                at += count
            state = torch.cat(new) if len(new) > 1 else new[0]
            if skip is not None and before is not None:
                state = state + skip * before
            states.append(state if keep is None else state * keep)
        return torch.cat(states) if len(states) > 1 else states[0]

    def __call__(self, taps: Taps, present: Present = None) -> dict[str, list[tuple[list[int], Output]]]:
        """By task: places of candidates, and their outputs ``[candidates, B, ...]``."""
        outputs: dict[str, list[tuple[list[int], Output]]] = {}
        for reads, tasks in readers(self.objectives).items():
            seen = restricted(taps, present, reads)
            blocks = self._blocks(taps, seen)
            states = self._states(blocks)
            for task in tasks:
                outputs[task] = self._outputs(task, blocks, states, seen)
        return {task: outputs[task] for task in self.objectives}

    def _outputs(
        self, task: str, blocks: Tensor, states: Tensor, present: Present
    ) -> list[tuple[list[int], Output]]:
        plan, objective = self.plan, self.objectives[task]
        read, size = states.index_select(0, self._reads[task]), blocks.shape[1]
        plain = len(plan.order) - plan.late - len(plan.own)
        if plan.late:
            own = blocks.index_select(0, self._joined).view(-1, plan.late, *blocks.shape[1:]).sum(0)
            weight, bias = self.tensors["join.weight"].squeeze(2), self.tensors["join.bias"].squeeze(2)
            late = own + torch.baddbmm(bias, read[plain : plain + plan.late], weight)
            read = torch.cat([read[:plain], late, read[plain + plan.late :]])
        logits = torch.baddbmm(self.tensors[f"head/{task}.bias"], read, self.tensors[f"head/{task}.weight"])
        first = plain + plan.late
        found: list[tuple[list[int], Output]] = []
        if first:
            found.append((plan.order[:first], (logits[:first], None)))
        if not plan.own:
            return found
        vectors = blocks.index_select(0, self._own)
        more = torch.baddbmm(self.tensors[f"own/{task}.bias"], vectors, self.tensors[f"own/{task}.weight"])
        more = more.view(len(plan.own), -1, *more.shape[1:])
        candidates = torch.cat([logits[first:, None], more], 1).transpose(1, 2)
        there = self._there[:, None].expand(-1, size, -1)
        if present is not None:
            each = torch.stack([present[m] for m in self.candidates[0].fusion.modalities], 1)
            there = there & torch.cat([torch.ones_like(each[:, :1]), each], 1)
        for start, stop in plan.rules:
            rows = slice(start - first, stop - first)
            rule = self.candidates[plan.order[start]].fusion.rule
            assert rule is not None
            out, cost = decide(objective, rule, candidates[rows].flatten(0, 1), there[rows].flatten(0, 1))
            shape = (stop - start, size)
            cost = None if cost is None else cost.view(*shape, *cost.shape[1:])
            found.append((plan.order[start:stop], (out.view(*shape, *out.shape[1:]), cost)))
        return found

    def losses(
        self,
        taps: Taps,
        present: Present,
        targets: Mapping[str, Tensor],
        known: Mapping[str, Tensor],
    ) -> Tensor:
        """The loss of each candidate ``[C]``: the sum over tasks of the mean over labelled samples.

        Args:
            taps: As cached.
            present: Which samples have the modality; None when all do.
            targets: By task.
            known: Which are labelled, by task; ``[B]`` or the target's shape.
        """
        total = torch.zeros(len(self.candidates), device=self.device)
        for task, parts in self(taps, present).items():
            target, objective = targets[task], self.objectives[task]
            weight = known[task].float()
            for members, (logits, cost) in parts:
                count = len(members)
                flat = (logits.flatten(0, 1), None if cost is None else cost.flatten(0, 1))
                loss = sample_losses(objective, flat, target.repeat(count, *[1] * (target.dim() - 1)))
                loss = loss.view(count, -1, *loss.shape[1:])
                own = weight.reshape(*weight.shape, *[1] * (loss.dim() - 1 - weight.dim())).expand(
                    loss.shape[1:]
                )
                mean = (loss * own).flatten(1).sum(1) / own.sum().clamp(min=1)
                total = total.index_add(0, self._index(members), mean)
        return total

    def unpack(self, values: Mapping[str, Tensor] | None = None) -> list[dict[str, Tensor]]:
        """The parameters of each candidate by name, or what else has their layout (moments)."""
        values = self.tensors if values is None else values
        found: list[dict[str, Tensor]] = [{} for _ in self.candidates]
        shapes = [{n: p.shape for n, p in c.named_parameters()} for c in self.candidates]
        for piece in self.plan.packing.pieces:
            value = piece.unpack(values[piece.tensor].detach(), shapes[piece.candidate][piece.name])
            found[piece.candidate][piece.name] = value.clone()
        return found


class _Activations:
    """σ of candidates with unlike activations, over runs of the third axis from the end."""

    def __init__(self, runs: Sequence[tuple[str, int, int]]) -> None:
        self.runs = runs

    def __call__(self, x: Tensor) -> Tensor:
        if len(self.runs) == 1:
            return ACTIVATIONS[self.runs[0][0]](x)
        return torch.cat([ACTIVATIONS[name](x[..., a:b, :, :]) for name, a, b in self.runs], -3)
