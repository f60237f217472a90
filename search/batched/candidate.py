"""One candidate of a search as an ordinary module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.encoders._base import Encoder
from sennit.encoders.types import TapInfo
from sennit.fusion.cell.genome import EMBEDDING, Genome
from sennit.fusion.cell.readings import split_reading
from sennit.fusion.intermediate.cells import Cells, Taps
from sennit.named_modules import NamedModules
from sennit.search.space import Space
from sennit.tasks import Task
from sennit.tasks.model.decision_rule import decide
from sennit.tasks.model.heads import build_heads

Present = Mapping[str, Tensor] | None
Reads = tuple[str, ...] | None
Output = tuple[Tensor, Tensor | None]
"""Output of a task's heads: ``[B, out_dim]`` and, under a rule, the cost of each alternative."""


class Candidate(nn.Module):
    """The fusion of a genome with a head for each task, on cached taps.

    Training a candidate in a `BatchedCandidates` equals training it alone in this form.

    Args:
        genome: Structure of the fusion.
        space: Space that holds the taps and their sizes.
        tasks: Tasks by name.
    """

    def __init__(self, genome: Genome, space: Space, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self.tasks = dict(tasks)  # a dict is not registered: the tasks belong to all candidates
        self.fusion = Cells({m: _Taps(space.taps[m]) for m in space.modalities}, genome=genome.to_dict())
        self.heads = NamedModules(build_heads(tasks, genome.width, self.fusion.candidates))

    def forward(self, taps: Taps, present: Present = None) -> dict[str, Output]:
        outputs: dict[str, Output] = {}
        for reads, names in tasks_by_reads(self.tasks).items():
            fused = self.fusion.fuse(taps, restrict_presence(taps, present, reads))
            for name in names:
                x = fused.readouts.get(name)
                if x is None:
                    x = fused.pooled if fused.candidates is None else fused.candidates
                heads = list(self.heads[name])
                if self.fusion.rule is None or fused.candidate_present is None:
                    outputs[name] = heads[0](x), None
                    continue
                predictions = torch.stack([head(x[:, k]) for k, head in enumerate(heads)], 1)
                task, rule = self.tasks[name], self.fusion.rule
                outputs[name] = decide(task, rule, predictions, fused.candidate_present)
        return outputs


def tasks_by_reads(tasks: Mapping[str, Task]) -> dict[Reads, list[str]]:
    """Group the names of tasks by the modalities that they read; None stands for all modalities."""
    groups: dict[Reads, list[str]] = {}
    for name, task in tasks.items():
        groups.setdefault(task.reads, []).append(name)
    return groups


def restrict_presence(taps: Taps, present: Present, reads: Sequence[str] | None) -> Present:
    """Return the present masks with every modality hidden that is not read."""
    if reads is None:
        return present
    example = next(tap for of_modality in taps.values() for tap in of_modality.values())
    always = torch.ones(len(example), dtype=torch.bool, device=example.device)
    return {m: (present[m] if present else always) if m in reads else ~always for m in taps}


class _Taps(Encoder):
    """A stand-in for an encoder, with only what `Cells` needs."""

    def __init__(self, taps: Mapping[str, int]) -> None:
        super().__init__()
        self.input_spec = InputSpec(())
        with_axis = {name for name, reading in map(split_reading, taps) if reading is not None}
        self.tap_info = tuple(
            TapInfo(name, dim, "BTC" if name in with_axis else "BC")
            for name, dim in taps.items()
            if name != EMBEDDING and split_reading(name)[1] is None
        )
        self.embed_dim = taps[EMBEDDING]
