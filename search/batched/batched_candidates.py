"""A generation as one net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.fusion import MeanProbabilityRule, MultiplicativeRule
from sennit.fusion.cell.readings import source_of
from sennit.fusion.intermediate.cells import Taps
from sennit.fusion.types import Rule
from sennit.search.batched.block_layout import BlockLayout, MapTaps
from sennit.search.batched.candidate import (
    Candidate,
    Output,
    Present,
    restrict_presence,
    tasks_by_reads,
)
from sennit.search.batched.combine_level import CombineLevel, join
from sennit.search.batched.level import Level
from sennit.search.batched.parameter_layout import tap_name
from sennit.search.batched.plan import Plan, make_plan
from sennit.tasks.model.decision_rule import decide
from sennit.tasks.model.terms import output_loss


class BatchedCandidates:
    """Candidates of one space side by side: batched products over candidates, few operations in all.

    The maps of a tap are computed at once for all cells of all candidates; then each level in turn, the
    operators of one form at once. Narrow candidates are padded with zeros, which stay zero. The gradient of
    the summed loss is the gradient of each candidate's loss, so that one step of an optimizer moves each
    candidate as if it were alone.

    Args:
        candidates: Candidates with their first weights.
        device: Device of the computation.

    Attributes:
        tensors: Parameters by name.
        values_per_row: Number of values of the maps of all taps, for one row.
    """

    def __init__(self, candidates: Sequence[Candidate], *, device: torch.device | str = "cpu") -> None:
        self.candidates, self.device = list(candidates), torch.device(device)
        self.tasks = candidates[0].tasks
        self.plan: Plan = make_plan(candidates)
        self.tensors = self.pack([dict(c.named_parameters()) for c in candidates])
        for tensor in self.tensors.values():
            tensor.requires_grad_()
        self._prepare()

    def _prepare(self) -> None:
        """Compute the indices that every step needs."""
        plan, genomes = self.plan, [c.fusion.genome for c in self.candidates]
        self._blocks = BlockLayout(plan, self.device)
        self._readings = {k: (kind, self._index(rows)) for k, (kind, rows) in plan.layout.readings.items()}
        self.values_per_row = len(self._blocks.source) * plan.layout.width
        widths = torch.tensor([float(g.width) for g in genomes], device=self.device)
        narrow = bool((widths < plan.layout.width).any())
        units = torch.arange(plan.layout.width, device=self.device)
        self._levels = []
        before: list[int] = []
        for level, groups in enumerate(plan.levels):
            members = [i for group in groups for i in group.members]
            read = [
                before.index(i) for g in groups for _ in range(g.operator.blocks) for i in g.members if level
            ]
            skip = torch.tensor(
                [[[float(genomes[i].cells[level].skip)]] for i in members], device=self.device
            )
            self._levels.append(
                Level(
                    CombineLevel(groups, [g.width for g in genomes], state=level > 0, device=self.device),
                    self._index(read) if level else None,
                    self._index([before.index(i) for i in members]) if bool(skip.any()) else None,
                    skip,
                    (units < widths[members, None])[:, None].float() if narrow else None,
                )
            )
            before = members
        starts = [0]
        for groups in plan.levels:
            starts.append(starts[-1] + sum(len(g.members) for g in groups))
        state_row = [
            {i: starts[level] + k for k, i in enumerate(i for g in groups for i in g.members)}
            for level, groups in enumerate(plan.levels)
        ]
        self._state_rows = {
            task: self._index(
                [state_row[genomes[i].reads.get(task, len(genomes[i].cells) - 1)][i] for i in plan.order]
            )
            for task in self.tasks
        }
        ruled = plan.order[len(plan.order) - len(plan.embeddings) :]
        self._betas = torch.tensor([genomes[i].beta for i in ruled[plan.mean :]], device=self.device)
        self._rule_sizes = [plan.mean, len(self._betas)]
        self._voters = torch.tensor(
            [[True, *(block is not None for block in row)] for row in plan.embeddings], device=self.device
        )

    def _index(self, positions: Sequence[int]) -> Tensor:
        return torch.tensor(positions, dtype=torch.long, device=self.device)

    def _map(self, taps: Taps, present: Present) -> list[Tensor]:
        """Compute the maps of all taps for each level, the late merges and the embeddings under a rule."""
        tensors, masks = [], []
        for m, tap in self.plan.layout.counts:
            name = tap_name(m, tap)
            maps = (self.tensors[f"{name}.{kind}"] for kind in ("weight", "bias", "token"))
            tensors += [self._read(m, tap, taps[m][source_of(tap)]), *maps]
            masks.append(None if present is None else present[m])
        mapped: Tensor = MapTaps.apply(self._blocks, masks, *tensors)
        return list(torch.split(mapped, self._blocks.sizes))

    def _read(self, modality: str, tap: str, x: Tensor) -> Tensor:
        """Return a tap as it is pooled, or as each block reads its places ``[blocks, B, d]``."""
        if (modality, tap) not in self._readings:
            return x
        reading, rows = self._readings[modality, tap]
        prefix = f"{tap_name(modality, tap)}/reading."
        of_tap = {n.removeprefix(prefix): t for n, t in self.tensors.items() if n.startswith(prefix)}
        return reading.read(x[..., :-1], x[..., -1] > 0, of_tap).index_select(0, rows)

    def _states(self, mapped: Sequence[Tensor]) -> Tensor:
        """Compute the states of all levels, one after the other ``[rows, B, W]``."""
        size, width = mapped[0].shape[1:]
        modalities, states = len(self.candidates[0].fusion.modalities), list[Tensor]()
        for i, (level, taps) in enumerate(zip(self._levels, mapped, strict=True)):
            u = taps.view(modalities, -1, size, width)
            if level.read is not None:
                weight, bias = self.tensors[f"state{i}.weight"], self.tensors[f"state{i}.bias"]
                state = torch.baddbmm(bias, states[-1].index_select(0, level.read), weight)
                u = torch.cat([u, state.unsqueeze(0)])
            h = level.combine(u)
            if level.skipped is not None:
                h = torch.addcmul(h, level.skip, states[-1].index_select(0, level.skipped))
            states.append(h if level.keep is None else h * level.keep)
        return join(states)

    def __call__(self, taps: Taps, present: Present = None) -> dict[str, list[tuple[list[int], Output]]]:
        """Return, for each task, lists of candidates with their outputs ``[candidates, B, ...]``."""
        outputs: dict[str, list[tuple[list[int], Output]]] = {}
        for reads, names in tasks_by_reads(self.tasks).items():
            seen = restrict_presence(taps, present, reads)
            *mapped, joined, embeddings = self._map(taps, seen)
            states = self._states(mapped)
            for name in names:
                outputs[name] = self._outputs(name, states, joined, embeddings, seen)
        return {name: outputs[name] for name in self.tasks}

    def _outputs(
        self, task: str, states: Tensor, joined: Tensor, embeddings: Tensor, present: Present
    ) -> list[tuple[list[int], Output]]:
        plan, size, ruled = self.plan, states.shape[1], len(self.plan.embeddings)
        first = len(plan.order) - ruled
        x = states.index_select(0, self._state_rows[task])
        if plan.late:
            plain, late, rest = torch.split(x, [first - plan.late, plan.late, ruled])
            weight, bias = self.tensors["join.weight"], self.tensors["join.bias"]
            sums = joined.view(-1, *late.shape).sum(0)
            x = torch.cat([plain, sums + torch.baddbmm(bias, late, weight), rest])
        logits = torch.baddbmm(self.tensors[f"head/{task}.bias"], x, self.tensors[f"head/{task}.weight"])
        if not ruled:
            return [(plan.order, (logits, None))]
        unruled, of_states = torch.split(logits, [first, ruled])
        outputs: list[tuple[list[int], Output]] = [(plan.order[:first], (unruled, None))] if first else []
        name = f"embedding_head/{task}"
        votes = torch.baddbmm(self.tensors[f"{name}.bias"], embeddings, self.tensors[f"{name}.weight"])
        votes = votes.view(ruled, -1, *votes.shape[1:])
        votes = torch.cat([of_states[:, None], votes], 1).transpose(1, 2)
        voters = self._voters[:, None].expand(-1, size, -1)
        if present is not None:
            each = torch.stack([present[m] for m in self.candidates[0].fusion.modalities], 1)
            voters = voters & torch.cat([torch.ones_like(each[:, :1]), each], 1)
        betas = self._betas.repeat_interleave(size)
        rules: tuple[Rule, Rule] = MeanProbabilityRule(), MultiplicativeRule(beta=betas)
        by_rule = torch.split(votes, self._rule_sizes), torch.split(voters, self._rule_sizes)
        for rule, candidates, present_votes in zip(rules, *by_rule, strict=True):
            if len(candidates) == 0:
                continue
            out, cost = decide(self.tasks[task], rule, candidates.flatten(0, 1), present_votes.flatten(0, 1))
            members = plan.order[first : first + len(candidates)]
            shape, first = (len(candidates), size), first + len(candidates)
            cost = None if cost is None else cost.view(*shape, *cost.shape[1:])
            outputs.append((members, (out.view(*shape, *out.shape[1:]), cost)))
        return outputs

    def losses(
        self,
        taps: Taps,
        present: Present,
        targets: Mapping[str, Tensor],
        scored: Mapping[str, Tensor],
    ) -> Tensor:
        """Return the loss of each candidate ``[C]``: the sum over tasks of the mean over scored labels.

        Args:
            taps: Cached taps of the batch.
            present: Present mask of each modality; None when all samples have all.
            targets: Targets of each task.
            scored: Mask of the labels that count, for each task; ``[B]`` or the target's shape.
        """
        total = torch.zeros(len(self.candidates), device=self.device)
        for name, outputs in self(taps, present).items():
            target, mask = targets[name], scored[name].float()
            for members, (logits, cost) in outputs:
                count = len(members)
                flat_cost = None if cost is None else cost.flatten(0, 1)
                repeated = target.repeat(count, *[1] * (target.dim() - 1))
                loss = output_loss(self.tasks[name], logits.flatten(0, 1), repeated, cost=flat_cost)
                loss = loss.view(count, -1, *loss.shape[1:])
                weight = mask.reshape(*mask.shape, *[1] * (loss.dim() - 1 - mask.dim()))
                weight = weight.expand(loss.shape[1:])
                mean = (loss * weight).flatten(1).sum(1) / weight.sum().clamp(min=1)
                total = total.index_add(0, self._index(members), mean)
        return total

    def pack(self, values: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Return the values of the candidates' parameters, given by name, in the layout of ``tensors``."""
        packed = {n: torch.zeros(s, device=self.device) for n, s in self.plan.layout.shapes.items()}
        with torch.no_grad():
            for piece in self.plan.layout.pieces:
                piece.pack(values[piece.candidate][piece.name], packed[piece.tensor])
        return packed

    def unpack(self, tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return each candidate's values by name; the reverse of `pack`."""
        unpacked: list[dict[str, Tensor]] = [{} for _ in self.candidates]
        shapes = [{n: p.shape for n, p in c.named_parameters()} for c in self.candidates]
        for piece in self.plan.layout.pieces:
            value = piece.unpack(tensors[piece.tensor].detach(), shapes[piece.candidate][piece.name])
            unpacked[piece.candidate][piece.name] = value.clone()
        return unpacked
