"""One candidate of a search as an ordinary module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder
from sennit.encoders.types import TapInfo
from sennit.fusion.cell.genome import EMBEDDING, Genome
from sennit.fusion.intermediate.cells import Cells, Taps
from sennit.fusion.types import Rule
from sennit.search.evaluator import Objective
from sennit.search.space import Space
from torch import Tensor, nn

from sennit.named_modules import NamedModules

Present = Mapping[str, Tensor] | None
Output = tuple[Tensor, Tensor | None]
"""What a task's heads give: ``[B, out_dim]`` and, under a rule, the cost of each alternative."""


class Candidate(nn.Module):
    """The fusion of a genome with a head for each task, on taps that are computed already.

    Its training alone is what that of a `BatchedCandidates` must equal.

    Args:
        genome: What to build.
        space: The taps and their sizes.
        objectives: By task.
    """

    def __init__(self, genome: Genome, space: Space, objectives: Mapping[str, Objective]) -> None:
        super().__init__()
        self.objectives = dict(objectives)
        self.fusion = Cells({m: _Taps(space.taps[m]) for m in space.modalities}, genome=genome.to_dict())
        self.heads = NamedModules(
            {
                t: nn.ModuleList([nn.Linear(genome.width, o.out_dim) for _ in range(self.fusion.candidates)])
                for t, o in objectives.items()
            }
        )

    def forward(self, taps: Taps, present: Present = None) -> dict[str, Output]:
        outputs: dict[str, Output] = {}
        for reads, tasks in readers(self.objectives).items():
            fused = self.fusion.fuse(taps, restricted(taps, present, reads))
            for task in tasks:
                x = fused.readouts.get(task)
                if x is None:
                    x = fused.pooled if fused.candidates is None else fused.candidates
                heads = list(self.heads[task])
                if self.fusion.rule is None or fused.candidate_present is None:
                    outputs[task] = heads[0](x), None
                    continue
                own = torch.stack([head(x[:, k]) for k, head in enumerate(heads)], 1)
                outputs[task] = decide(self.objectives[task], self.fusion.rule, own, fused.candidate_present)
        return outputs


def readers(objectives: Mapping[str, Objective]) -> dict[tuple[str, ...] | None, list[str]]:
    """The tasks that see the same modalities; None for all of them."""
    groups: dict[tuple[str, ...] | None, list[str]] = {}
    for task, objective in objectives.items():
        groups.setdefault(objective.reads, []).append(task)
    return groups


def restricted(taps: Taps, present: Present, reads: Sequence[str] | None) -> Present:
    """The presence as tasks see it that read some modalities only."""
    if reads is None:
        return present
    some = next(iter(next(iter(taps.values())).values()))
    whole = torch.ones(len(some), dtype=torch.bool, device=some.device)
    return {m: (present[m] if present else whole) if m in reads else ~whole for m in taps}


def decide(objective: Objective, rule: Rule, candidates: Tensor, present: Tensor) -> Output:
    """From the outputs of the candidates ``[B, K, out_dim]`` to one.

    A task without probabilities takes the mean of the candidates that are present.
    """
    log_p = objective.log_probabilities(candidates)
    if log_p is None:
        share = present.to(candidates.dtype) / present.sum(1, keepdim=True)
        return torch.einsum("bk...,bk->b...", candidates, share), None
    cost = rule.cost(log_p, present)
    return rule.decide(log_p, present, cost), cost


def sample_losses(objective: Objective, output: Output, target: Tensor) -> Tensor:
    """The loss of each sample, or of each of its labels."""
    logits, cost = output
    return objective.loss(logits, target) if cost is None else objective.expected_cost(cost, target)


class _Taps(Encoder):
    """What `Cells` asks of an encoder, without the encoder."""

    def __init__(self, taps: Mapping[str, int]) -> None:
        super().__init__()
        self.input_spec = InputSpec(())
        self.tap_info = tuple(TapInfo(name, dim, "BC") for name, dim in taps.items() if name != EMBEDDING)
        self.embed_dim, self.token_dim = taps[EMBEDDING], None
