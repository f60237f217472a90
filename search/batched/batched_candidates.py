"""A generation as one net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from sennit.fusion.decision.mean import MeanRule
from sennit.fusion.decision.multiplicative import MultiplicativeRules
from sennit.fusion.intermediate.cells import Taps
from sennit.fusion.types import Rule
from sennit.search.batched.block_layout import Activations, ArrangeBlocks, BlockLayout
from sennit.search.batched.candidate import (
    Candidate,
    Output,
    Present,
    decide,
    readers,
    restricted,
    sample_losses,
)
from sennit.search.batched.parameter_layout import tap_name
from sennit.search.batched.plan import Group, Plan, make_plan
from torch import Tensor


class BatchedCandidates:
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
        self.tensors = self.pack([dict(c.named_parameters()) for c in candidates])
        for tensor in self.tensors.values():
            tensor.requires_grad_()
        self._prepare()

    def _prepare(self) -> None:
        """The indices that every step asks for."""
        plan, genomes = self.plan, [c.fusion.genome for c in self.candidates]
        self._places = BlockLayout(plan, self.device)
        widths = torch.tensor([float(g.width) for g in genomes], device=self.device)
        narrow = bool((widths < plan.layout.width).any())
        column = torch.arange(plan.layout.width, device=self.device)
        self._levels = []
        before: list[int] = []
        for level, groups in enumerate(plan.levels):
            members = [i for group in groups for i in group.members]
            rows = self._index([before.index(i) for i in members]) if level else None
            skip = torch.tensor(
                [[[float(genomes[i].cells[level].skip)]] for i in members], device=self.device
            )
            keep = (column < widths[members, None])[:, None].float() if narrow else None
            parts = [(g, self._inputs(g, level > 0), widths[g.members, None]) for g in groups]
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
        ruled = plan.order[len(plan.order) - len(plan.own) :]
        betas = torch.tensor([genomes[i].beta for i in ruled[plan.mean :]], device=self.device)
        self._ruled = [plan.mean, len(betas)]
        self._betas = betas
        self._there = torch.tensor(
            [[True, *(b is not None for b in row)] for row in plan.own], device=self.device
        )

    def _inputs(self, group: Group, state: bool) -> Tensor | None:
        """Which inputs of a group's members are there ``[K, G, 1]``; None when all are."""
        there = [[b is not None for b in row] for row in group.blocks]
        there += [[True] * len(group.members)] if state else []
        return None if all(map(all, there)) else torch.tensor(there, device=self.device)[:, :, None]

    def _index(self, places: Sequence[int]) -> Tensor:
        return torch.tensor(places, dtype=torch.long, device=self.device)

    def _maps(self, taps: Taps, present: Present) -> dict[tuple[str, str], Tensor]:
        """The maps of each tap ``[blocks, B, W]``."""
        maps = {}
        for m, tap in self.plan.layout.counts:
            x, name = taps[m][tap], tap_name(m, tap)
            weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
            u = torch.baddbmm(bias, x.expand(len(weight), *x.shape), weight)
            if present is not None:
                u = torch.where(present[m][:, None], u, self.tensors[f"{name}.token"])
            maps[m, tap] = u
        return maps

    def _arranged(self, maps: Mapping[tuple[str, str], Tensor], reads: Sequence[str] | None) -> list[Tensor]:
        """The maps as each group of each level, the joins and the candidates read them.

        Tokens stand for the modalities that the tasks do not read.
        """
        own = [
            u if reads is None or key[0] in reads else self.tensors[f"{tap_name(*key)}.token"].expand_as(u)
            for key, u in maps.items()
        ]
        arranged: Tensor = ArrangeBlocks.apply(self._places, *own)
        return list(torch.split(arranged, self._places.sizes))

    def _states(self, mapped: Sequence[Tensor]) -> Tensor:
        """The states of all levels, one after the other ``[rows, B, W]``."""
        size, width = mapped[0].shape[1:]
        own, states = iter(mapped), list[Tensor]()
        for rows, parts, skip, keep in self._levels:
            new = []
            before = states[-1].index_select(0, rows) if rows is not None else None
            split = None if before is None else torch.split(before, [len(g.members) for g, _, _ in parts])
            for at, (group, there, widths) in enumerate(parts):
                n, count = group.operator.blocks, len(group.members)
                u = [next(own).view(-1, count, n, size, width).transpose(2, 3)]
                if split is not None:
                    weight, bias = self.tensors[f"{group.name}.weight"], self.tensors[f"{group.name}.bias"]
                    state = torch.baddbmm(bias.flatten(2), split[at], weight.flatten(2))
                    u.append(state.view(1, count, size, n, width))
                new.append(group.operator.combine(u, there, Activations(group.runs), widths))
            state = torch.cat(new) if len(new) > 1 else new[0]
            if skip is not None and before is not None:
                state = state + skip * before
            states.append(state if keep is None else state * keep)
        return torch.cat(states) if len(states) > 1 else states[0]

    def __call__(self, taps: Taps, present: Present = None) -> dict[str, list[tuple[list[int], Output]]]:
        """By task: places of candidates, and their outputs ``[candidates, B, ...]``."""
        outputs: dict[str, list[tuple[list[int], Output]]] = {}
        maps = self._maps(taps, present)
        for reads, tasks in readers(self.objectives).items():
            seen = restricted(taps, present, reads)
            *mapped, joined, own = self._arranged(maps, reads)
            states = self._states(mapped)
            for task in tasks:
                outputs[task] = self._outputs(task, states, joined, own, seen)
        return {task: outputs[task] for task in self.objectives}

    def _outputs(
        self, task: str, states: Tensor, joined: Tensor, own: Tensor, present: Present
    ) -> list[tuple[list[int], Output]]:
        plan, objective = self.plan, self.objectives[task]
        size, ruled = states.shape[1], len(plan.own)
        first = len(plan.order) - ruled
        read = states.index_select(0, self._reads[task])
        if plan.late:
            plain, late, rest = torch.split(read, [first - plan.late, plan.late, ruled])
            weight, bias = self.tensors["join.weight"].squeeze(2), self.tensors["join.bias"].squeeze(2)
            embeddings = joined.view(-1, *late.shape).sum(0)
            read = torch.cat([plain, embeddings + torch.baddbmm(bias, late, weight), rest])
        logits = torch.baddbmm(self.tensors[f"head/{task}.bias"], read, self.tensors[f"head/{task}.weight"])
        if not plan.own:
            return [(plan.order, (logits, None))]
        alone, of_states = torch.split(logits, [first, ruled])
        found: list[tuple[list[int], Output]] = [(plan.order[:first], (alone, None))] if first else []
        more = torch.baddbmm(self.tensors[f"own/{task}.bias"], own, self.tensors[f"own/{task}.weight"])
        more = more.view(len(plan.own), -1, *more.shape[1:])
        candidates = torch.cat([of_states[:, None], more], 1).transpose(1, 2)
        there = self._there[:, None].expand(-1, size, -1)
        if present is not None:
            each = torch.stack([present[m] for m in self.candidates[0].fusion.modalities], 1)
            there = there & torch.cat([torch.ones_like(each[:, :1]), each], 1)
        rules: tuple[Rule, Rule] = MeanRule(), MultiplicativeRules(self._betas.repeat_interleave(size))
        for rule, rows, have in zip(
            rules, torch.split(candidates, self._ruled), torch.split(there, self._ruled), strict=True
        ):
            if len(rows) == 0:
                continue
            out, cost = decide(objective, rule, rows.flatten(0, 1), have.flatten(0, 1))
            members = plan.order[first : first + len(rows)]
            shape, first = (len(rows), size), first + len(rows)
            cost = None if cost is None else cost.view(*shape, *cost.shape[1:])
            found.append((members, (out.view(*shape, *out.shape[1:]), cost)))
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

    def pack(self, values: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Values by name of the candidates' parameters, in the layout of ``tensors``."""
        packed = {n: torch.zeros(s, device=self.device) for n, s in self.plan.layout.shapes.items()}
        with torch.no_grad():
            for piece in self.plan.layout.pieces:
                piece.pack(values[piece.candidate][piece.name], packed[piece.tensor])
        return packed

    def unpack(self, tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """The reverse of `pack`."""
        found: list[dict[str, Tensor]] = [{} for _ in self.candidates]
        shapes = [{n: p.shape for n, p in c.named_parameters()} for c in self.candidates]
        for piece in self.plan.layout.pieces:
            value = piece.unpack(tensors[piece.tensor].detach(), shapes[piece.candidate][piece.name])
            found[piece.candidate][piece.name] = value.clone()
        return found
